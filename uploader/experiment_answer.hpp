// The `experiment` in an answer to experiments/get and get-by-name.
#pragma once

#include <optional>
#include <string_view>

#include "uploader/experiments.hpp"

namespace spanferry::uploader {

struct DescribedExperiment {
  Experiment experiment;
  bool deleted = false;
};

// Digits, as many as an id may have.
bool is_experiment_id(std::string_view text);

// Nothing when it is no such answer.
std::optional<DescribedExperiment> parse_experiment(std::string_view body);

}  // namespace spanferry::uploader
