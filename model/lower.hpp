// Small letters for names that are compared without regard to case: hosts, schemes, keys, models.
#pragma once

#include <string>
#include <string_view>

namespace spanferry {

// ASCII letters only; whatever else is in it stays as it is.
inline std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

}  // namespace spanferry
