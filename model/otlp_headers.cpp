#include "model/otlp_headers.hpp"

#include <algorithm>

namespace spanferry {
namespace {

constexpr std::string_view kNameCharacters =
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>((hex_digit(text[i + 1]) << 4) | hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kAround = " \t\r\"";
  const auto first = text.find_first_not_of(kAround);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kAround) - first + 1);
}

}  // namespace

Result<Headers> parse_otlp_headers(std::string_view text) {
  Headers headers;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(",\n"), text.size());
    const std::string_view item = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.empty()) continue;
    const auto equals = item.find('=');
    const std::string_view name = trimmed(item.substr(0, equals));
    if (equals == std::string_view::npos || name.empty() ||
        name.find_first_not_of(kNameCharacters) != std::string_view::npos)
      return fail(ErrorKind::invalid_input, "must be NAME=VALUE, with commas or line ends between");
    std::string value = percent_decoded(trimmed(item.substr(equals + 1)));
    if (std::ranges::any_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
      return fail(ErrorKind::invalid_input,
                  "the value of " + std::string(name) + " holds control characters");
    headers.emplace_back(name, std::move(value));
  }
  return headers;
}

}  // namespace spanferry
