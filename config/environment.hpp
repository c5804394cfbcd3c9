// The environment: SPANFERRY_* names for our own keys, and the variables of MLflow, Databricks and
// OpenTelemetry that the app had before, which make one destination.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/defaults.hpp"
#include "config/raw.hpp"

namespace spanferry::config {

// Values of our own keys by path. An unknown SPANFERRY_ name is a problem, unless Kubernetes made it for a
// Service.
RawValues values_from_environment(const Environment& environment, Problems& problems);

// The destination `env`, if the variables ask for one. A profile is read from the machine's files.
std::optional<RawDestination> destination_from_environment(const Environment& environment,
                                                           const Machine& machine, Problems& problems,
                                                           std::vector<std::string>& notices);

// Those of its variables that are set.
std::vector<std::string> destination_variables_set(const Environment& environment);

}  // namespace spanferry::config
