// The answer of /api/spanferry/v1/traces/ID as a tree.
#pragma once

#include <string>
#include <string_view>

#include "model/result.hpp"

namespace spanferry::daemon {

// Errors: invalid_input.
Result<std::string> show_trace(std::string_view json);

}  // namespace spanferry::daemon
