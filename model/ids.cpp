#include "model/ids.hpp"

#include <random>

namespace spanferry {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

std::uint64_t random_word() {
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return generator();
}

template <class SomeId>
SomeId mint() {
  SomeId id;
  while (id.is_zero()) {
    for (std::size_t i = 0; i < SomeId::kSize; i += sizeof(std::uint64_t)) {
      const std::uint64_t word = random_word();
      std::memcpy(id.bytes.data() + i, &word, sizeof word);
    }
  }
  return id;
}

}  // namespace

std::string hex_encode(std::string_view raw) {
  std::string out;
  out.reserve(raw.size() * 2);
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::optional<std::string> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string base64_encode(std::string_view raw) {
  std::string out;
  out.reserve((raw.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < raw.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, raw.size() - i);
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 3; ++j)
      word = word << 8 | (j < n ? static_cast<unsigned char>(raw[i + j]) : 0);
    out += kBase64[word >> 18];
    out += kBase64[word >> 12 & 63];
    out += n > 1 ? kBase64[word >> 6 & 63] : '=';
    out += n > 2 ? kBase64[word & 63] : '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    const int value = base64_value(c);
    if (value < 0) return std::nullopt;
    word = word << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(word >> bits & 0xff);
    }
  }
  return out;
}

template <std::size_t N>
std::optional<Id<N>> Id<N>::from_hex(std::string_view hex) {
  if (hex.size() != 2 * N) return std::nullopt;
  const auto raw = hex_decode(hex);
  return raw ? from_raw(*raw) : std::nullopt;
}

template <std::size_t N>
std::string Id<N>::hex() const {
  return hex_encode(raw());
}

template <std::size_t N>
std::string Id<N>::base64() const {
  return base64_encode(raw());
}

template struct Id<16>;
template struct Id<8>;

TraceId mint_trace_id() { return mint<TraceId>(); }
SpanId mint_span_id() { return mint<SpanId>(); }

}  // namespace spanferry
