// The part of `spanferry check` that looks at the spool's directory and its filesystem. Changes nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/finding.hpp"
#include "spool/settings.hpp"

namespace spanferry::daemon {

// `running`: the directory of the daemon that answers at our address, if one does.
std::vector<Finding> check_spool(const spool::Settings& settings, const std::optional<std::string>& running);

}  // namespace spanferry::daemon
