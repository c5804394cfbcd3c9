#include "model/mlflow_python_json.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include <simdjson.h>

#include "model/json_writer.hpp"
#include "model/mlflow_text.hpp"

namespace spanferry::mlflow {
namespace {

namespace dom = simdjson::dom;

// repr(float) writes a number without an exponent from 1e-4 up to below 1e16.
constexpr double kSmallestPlain = 1e-4;
constexpr double kFirstWithExponent = 1e16;

void append_escaped(std::string& out, std::uint32_t unit) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  out += "\\u";
  for (const unsigned shift : {12U, 8U, 4U, 0U}) out += kHex[(unit >> shift) & 0xFU];
}

// The code point that starts at `at`, which moves behind it. `text` is UTF-8.
std::uint32_t next_character(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80U) return lead;
  std::uint32_t character = lead < 0xE0U ? lead & 0x1FU : lead < 0xF0U ? lead & 0x0FU : lead & 0x07U;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U)
    character = (character << 6U) | (static_cast<unsigned char>(text[at++]) & 0x3FU);
  return character;
}

void append_object(std::string& out, const dom::object& object, Escape escape);

void append_value(std::string& out, const dom::element& element, Escape escape) {
  switch (element.type()) {
    case dom::element_type::STRING:
      return append_python_string(out, element.get_string().value_unsafe(), escape);
    case dom::element_type::DOUBLE:
      return append_python_double(out, element.get_double().value_unsafe());
    case dom::element_type::OBJECT:
      return append_object(out, element.get_object().value_unsafe(), escape);
    case dom::element_type::ARRAY: {
      out += '[';
      bool first = true;
      for (const dom::element item : element.get_array().value_unsafe()) {
        if (!first) out += ", ";
        first = false;
        append_value(out, item, escape);
      }
      out += ']';
      return;
    }
    default:
      out += simdjson::minify(element);
  }
}

void append_object(std::string& out, const dom::object& object, Escape escape) {
  std::unordered_map<std::string_view, dom::element> last;
  last.reserve(object.size());
  for (const auto& [key, value] : object) last.insert_or_assign(key, value);
  out += '{';
  bool first = true;
  for (const auto& [key, unused] : object) {
    const auto found = last.find(key);
    if (found == last.end()) continue;  // written already
    if (!first) out += ", ";
    first = false;
    append_python_string(out, key, escape);
    out += ": ";
    append_value(out, found->second, escape);
    last.erase(found);
  }
  out += '}';
}

}  // namespace

void append_python_string(std::string& out, std::string_view text, Escape escape) {
  if (escape == Escape::needed) return append_json_string(out, text);
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t c = next_character(text, at);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c >= 0x20U && c < 0x7FU) {
      out += static_cast<char>(c);
    } else if (const auto letter = std::string_view("\bb\ff\nn\rr\tt").find(static_cast<char>(c));
               c < 0x20U && letter != std::string_view::npos) {
      out += '\\';
      out += "\bb\ff\nn\rr\tt"[letter + 1];
    } else if (c < 0x10000U) {
      append_escaped(out, c);
    } else {
      append_escaped(out, 0xD800U + ((c - 0x10000U) >> 10U));
      append_escaped(out, 0xDC00U + ((c - 0x10000U) & 0x3FFU));
    }
  }
  out += '"';
}

void append_python_double(std::string& out, double number) {
  const double size = std::fabs(number);
  const bool plain = size == 0 || (size >= kSmallestPlain && size < kFirstWithExponent);
  std::array<char, 32> buffer;
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, format).ptr;
  const std::string_view text(buffer.data(), end);
  out += text;
  if (plain && !text.contains('.')) out += ".0";
}

std::string python_json(std::string_view text, Escape escape) {
  dom::parser parser;
  dom::element element;
  std::string out;
  if (parser.parse(text.data(), text.size()).get(element) == simdjson::SUCCESS) {
    append_value(out, element, escape);
  } else {
    append_python_string(out, text, escape);
  }
  return out;
}

std::string unwrapped(std::string_view text, int times) {
  std::string value(text);
  for (; times > 0; --times) {
    auto inner = json_string(value);
    if (!inner || json_type(*inner) == JsonType::invalid) break;
    value = *std::move(inner);
  }
  return value;
}

std::string each_unwrapped(std::string_view text, int times) {
  dom::parser parser;
  dom::array list;
  if (parser.parse(text.data(), text.size()).get_array().get(list) != simdjson::SUCCESS)
    return std::string(text);
  std::string out = "[";
  for (const dom::element item : list) {
    if (out.size() > 1) out += ", ";
    out += unwrapped(simdjson::minify(item), times);
  }
  out += ']';
  return out;
}

}  // namespace spanferry::mlflow
