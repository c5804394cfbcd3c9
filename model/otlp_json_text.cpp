#include "model/otlp_json_text.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "model/utf8.hpp"

namespace spanferry::otlp {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::size_t kEscapeBytes = 6;  // \uXXXX

// The code unit of the escape \uXXXX at `at`, if there is one.
std::optional<std::uint32_t> unit_at(std::string_view text, std::size_t at) {
  if (at + kEscapeBytes > text.size() || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  std::uint32_t unit = 0;
  for (std::size_t i = at + 2; i < at + kEscapeBytes; ++i) {
    const char c = text[i];
    unit <<= 4;
    if (c >= '0' && c <= '9') {
      unit |= static_cast<std::uint32_t>(c - '0');
    } else if (const char lower = static_cast<char>(c | 0x20); lower >= 'a' && lower <= 'f') {
      unit |= static_cast<std::uint32_t>(lower - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return unit;
}

bool is_high(std::uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low(std::uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

// Where the next escaped lone surrogate stands, from `at` on. A backslash occurs in strings only, so there is
// no need to know where strings begin; malformed escapes are the parser's to refuse.
std::size_t next_lone_surrogate(std::string_view text, std::size_t at) {
  while ((at = text.find('\\', at)) != std::string_view::npos) {
    const auto unit = unit_at(text, at);
    if (!unit) {
      at += 2;  // another escape: its second byte may be a backslash
    } else if (is_high(*unit)) {
      const auto next = unit_at(text, at + kEscapeBytes);
      if (!next || !is_low(*next)) return at;
      at += 2 * kEscapeBytes;
    } else if (is_low(*unit)) {
      return at;
    } else {
      at += kEscapeBytes;
    }
  }
  return at;
}

}  // namespace

std::string_view mend_json_text(std::string_view text, std::string& storage, bool& repaired) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (!is_valid_utf8(text)) {
    storage = repair_utf8(text);
    text = storage;
    repaired = true;
  }
  std::size_t at = next_lone_surrogate(text, 0);
  if (at == std::string_view::npos) return text;
  repaired = true;
  if (text.data() != storage.data()) storage = text;
  do {
    storage.replace(at, kEscapeBytes, "\\ufffd");
    at = next_lone_surrogate(storage, at + kEscapeBytes);
  } while (at != std::string_view::npos);
  return storage;
}

}  // namespace spanferry::otlp
