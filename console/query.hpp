// The query string of a request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/result.hpp"

namespace spanferry::console {

inline constexpr std::uint64_t kDefaultRows = 100;  // of a list, unless `limit` says otherwise
inline constexpr std::uint64_t kMaxRows = 1000;

// The value of `name`, percent-encoding undone; "" for a name without a value; nothing if absent.
std::optional<std::string> query_value(std::string_view query, std::string_view name);
// A whole number from `least` to `most`; `otherwise` if absent. Errors: invalid_input.
Result<std::uint64_t> query_number(std::string_view query, std::string_view name, std::uint64_t otherwise,
                                   std::uint64_t least, std::uint64_t most);

}  // namespace spanferry::console
