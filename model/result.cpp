#include "model/result.hpp"

#include <array>

namespace spanferry {

std::string_view name(ErrorKind kind) {
  static constexpr std::array<std::string_view, 14> kNames{
      "invalid_input", "too_large",    "unsupported",   "not_found", "unavailable", "full",      "held",
      "timeout",       "unauthorized", "configuration", "damaged",   "io",          "cancelled", "internal"};
  return kNames[static_cast<std::size_t>(kind)];
}

Error Error::in(std::string_view prefix) const { return {kind, std::string(prefix) + ": " + sentence}; }

}  // namespace spanferry
