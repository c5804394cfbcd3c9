// One look at a destination, for `spanferry check`: can it be reached, is it what it is said to be, does it
// take the credential, is the experiment there, and its Unity Catalog table where it has one. Nothing is
// changed at the far side: what takes OTLP gets a request without spans, the others are only read.
#pragma once

#include <chrono>
#include <vector>

#include "model/finding.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

struct ProbeTuning {
  std::chrono::milliseconds timeout{10'000};  // of one request; there are four at most
};

// Blocks; call on a thread that may. At least one finding.
std::vector<Finding> probe(const DestinationSettings& settings, ProbeTuning tuning = {});

}  // namespace spanferry::uploader
