#include "model/printable.hpp"

#include <cstdint>

#include "model/utf8.hpp"

namespace spanferry {
namespace {

bool is_plain_ascii(char c) {
  return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f;
}

// The code point at `at` of valid UTF-8, and its size.
std::pair<std::uint32_t, std::size_t> code_point(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i]));
  };
  if (byte(0) < 0x80U) return {byte(0), 1};
  if (byte(0) < 0xe0U) return {(byte(0) & 0x1fU) << 6U | (byte(1) & 0x3fU), 2};
  if (byte(0) < 0xf0U) return {(byte(0) & 0x0fU) << 12U | (byte(1) & 0x3fU) << 6U | (byte(2) & 0x3fU), 3};
  return {0x10000U, 4};  // none of those that matter here
}

bool misleads(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = repair_utf8(text);
  for (std::size_t i = 0; i < text.size();) {
    if (is_plain_ascii(text[i])) {
      out += text[i++];
      continue;
    }
    const auto [c, size] = code_point(text, i);
    if (misleads(c))
      out += ' ';
    else
      out += text.substr(i, size);
    i += size;
  }
  return out;
}

}  // namespace spanferry
