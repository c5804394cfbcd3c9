// The part of `spanferry check` that looks at the addresses we listen on.
#pragma once

#include <vector>

#include "ingest/settings.hpp"
#include "model/finding.hpp"

namespace spanferry::daemon {

// `is_running`: a daemon of this configuration answers, so its ports are taken by itself. Each port is bound
// for a moment and given back.
std::vector<Finding> check_doors(const ingest::Settings& settings, bool is_running);

}  // namespace spanferry::daemon
