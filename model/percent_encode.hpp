// Text as a part of a URL.
#pragma once

#include <string>
#include <string_view>

namespace spanferry {

// For a query: everything but letters, digits and -._~ as %XX.
std::string percent_encode(std::string_view text);

}  // namespace spanferry
