// UTF-8: is it valid, what it is with every invalid part replaced by U+FFFD, and cutting it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace spanferry {

bool is_valid_utf8(std::string_view text);
// One U+FFFD for each maximal invalid part, as Unicode 3.9 recommends.
std::string repair_utf8(std::string_view text);
// Its first `max_bytes` at most, never cut inside a character.
std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes);

}  // namespace spanferry
