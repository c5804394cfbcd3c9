// UTF-8: is it valid, and what it is with every invalid part replaced by U+FFFD.
#pragma once

#include <string>
#include <string_view>

namespace spanferry {

bool is_valid_utf8(std::string_view text);
// One U+FFFD for each maximal invalid part, as Unicode 3.9 recommends.
std::string repair_utf8(std::string_view text);

}  // namespace spanferry
