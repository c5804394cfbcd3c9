#include "model/otlp_json_numbers.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace spanferry::otlp {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

template <class Number>
std::optional<Number> from_text(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

// The bounds are powers of two and so exact as doubles; the upper one is the first value too large.
template <class Integer>
std::optional<Integer> from_whole(double value) {
  constexpr double low = std::is_signed_v<Integer> ? -0x1p63 : 0.0;
  constexpr double beyond = std::is_signed_v<Integer> ? 0x1p63 : 0x1p64;
  if (!(value >= low && value < beyond) || std::trunc(value) != value) return std::nullopt;
  return static_cast<Integer>(value);
}

template <class Integer>
std::optional<Integer> integer(element value) {
  switch (value.type()) {
    case element_type::INT64:
    case element_type::UINT64: {
      Integer number{};
      return value.get(number) == simdjson::SUCCESS ? std::optional(number) : std::nullopt;
    }
    case element_type::DOUBLE:
      return from_whole<Integer>(value.get_double().value_unsafe());
    case element_type::STRING: {
      const std::string_view text = value.get_string().value_unsafe();
      if (const auto number = from_text<Integer>(text)) return number;
      const auto decimal = from_text<double>(text);
      return decimal ? from_whole<Integer>(*decimal) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<std::int64_t> json_int64(element value) { return integer<std::int64_t>(value); }
std::optional<std::uint64_t> json_uint64(element value) { return integer<std::uint64_t>(value); }

std::optional<double> json_double(element value) {
  if (value.type() == element_type::STRING) {
    const std::string_view text = value.get_string().value_unsafe();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    const auto number = from_text<double>(text);
    return number && std::isfinite(*number) ? number : std::nullopt;
  }
  double number = 0;
  return value.get(number) == simdjson::SUCCESS ? std::optional(number) : std::nullopt;
}

}  // namespace spanferry::otlp
