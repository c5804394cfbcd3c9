// The answer of /api/spanferry/v1/status as people read it.
#pragma once

#include <string>
#include <string_view>

#include "model/result.hpp"

namespace spanferry::daemon {

// Errors: invalid_input.
Result<std::string> show_status(std::string_view json);

}  // namespace spanferry::daemon
