// Replies that say no.
#pragma once

#include <string_view>

#include "console/console.hpp"
#include "model/result.hpp"

namespace spanferry::console {

// {"error_code", "message"}, as all of /api/ answers.
Reply error_reply(int status, std::string_view code, std::string_view message);
// 400 for invalid_input, 404 for not_found, 503 for unavailable, else 500.
Reply error_reply(const Error& error);

}  // namespace spanferry::console
