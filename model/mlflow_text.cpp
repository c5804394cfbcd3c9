#include "model/mlflow_text.hpp"

#include <algorithm>
#include <charconv>

#include <simdjson.h>

namespace spanferry::mlflow {
namespace {

namespace dom = simdjson::dom;

// A parser keeps the memory of the largest text it met; a large one is not worth keeping.
constexpr std::size_t kMaxKeptCapacity = 1U << 20;

// Parses `text` and hands the element to `use`; `otherwise` when it is not JSON. One text at a time.
template <class R, class F>
R with_json(std::string_view text, R otherwise, const F& use) {
  thread_local dom::parser parser;
  dom::element element;
  if (parser.parse(text.data(), text.size()).get(element) != simdjson::SUCCESS) return otherwise;
  R result = use(element);
  if (parser.capacity() > kMaxKeptCapacity) parser = dom::parser();
  return result;
}

JsonType type_of(const dom::element& element) {
  switch (element.type()) {
    case dom::element_type::NULL_VALUE:
      return JsonType::null;
    case dom::element_type::BOOL:
      return JsonType::boolean;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE:
      return JsonType::number;
    case dom::element_type::STRING:
      return JsonType::string;
    case dom::element_type::ARRAY:
      return JsonType::array;
    case dom::element_type::OBJECT:
      return JsonType::object;
  }
  return JsonType::invalid;
}

bool is_truthy(const dom::element& element) {
  switch (element.type()) {
    case dom::element_type::NULL_VALUE:
      return false;
    case dom::element_type::BOOL:
      return element.get_bool().value_unsafe();
    case dom::element_type::INT64:
      return element.get_int64().value_unsafe() != 0;
    case dom::element_type::UINT64:
      return true;
    case dom::element_type::DOUBLE:
      return element.get_double().value_unsafe() != 0;
    case dom::element_type::STRING:
      return !element.get_string().value_unsafe().empty();
    case dom::element_type::ARRAY:
      return element.get_array().value_unsafe().begin() != element.get_array().value_unsafe().end();
    case dom::element_type::OBJECT:
      return element.get_object().value_unsafe().begin() != element.get_object().value_unsafe().end();
  }
  return true;
}

std::optional<std::int64_t> integer_in(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  text = text.substr(0, text.find_last_not_of(kSpace) + 1);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

JsonType json_type(std::string_view text) { return with_json(text, JsonType::invalid, type_of); }

bool json_is_truthy(std::string_view text) { return with_json(text, !text.empty(), is_truthy); }

std::optional<std::string> json_string(std::string_view text) {
  if (text.empty() || text.front() != '"') return std::nullopt;
  return with_json(text, std::optional<std::string>(), [](const dom::element& e) {
    std::string_view value;
    return e.get_string().get(value) == simdjson::SUCCESS ? std::optional<std::string>(value) : std::nullopt;
  });
}

std::optional<std::int64_t> json_integer(std::string_view text) {
  if (const auto quoted = json_string(text)) return integer_in(*quoted);
  return integer_in(text);
}

std::optional<std::string> json_member(std::string_view text, std::string_view key) {
  if (text.empty() || text.front() != '{') return std::nullopt;
  return with_json(text, std::optional<std::string>(), [key](const dom::element& e) {
    std::optional<dom::element> member;
    for (const auto& [name, value] : e.get_object().value_unsafe()) {
      if (name == key) member = value;
    }
    return member ? std::optional<std::string>(simdjson::minify(*member)) : std::nullopt;
  });
}

std::string json_as_tag(std::string_view text) {
  if (auto plain = json_string(text)) return *std::move(plain);
  if (text.empty() || text.front() != '[') return std::string(text);
  return with_json(text, std::string(text), [text](const dom::element& e) {
    const auto list = e.get_array();
    std::string_view only;
    if (list.error() != simdjson::SUCCESS || list.value_unsafe().size() != 1 ||
        list.value_unsafe().at(0).get_string().get(only) != simdjson::SUCCESS)
      return std::string(text);
    return std::string(only);
  });
}

std::string spaced_json(std::string_view compact) {
  std::string out;
  out.reserve(compact.size() + compact.size() / 8);
  bool in_string = false;
  for (std::size_t i = 0; i < compact.size(); ++i) {
    const char c = compact[i];
    out += c;
    if (c == '"') {
      in_string = !in_string;
    } else if (in_string && c == '\\' && i + 1 < compact.size()) {
      out += compact[++i];
    } else if (!in_string && (c == ',' || c == ':')) {
      out += ' ';
    }
  }
  return out;
}

std::size_t count_characters(std::string_view utf8) {
  std::size_t n = 0;
  for (const char c : utf8) n += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return n;
}

std::string_view cut_characters(std::string_view utf8, std::size_t characters) {
  if (utf8.size() <= characters) return utf8;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    if ((static_cast<unsigned char>(utf8[i]) & 0xC0U) == 0x80U) continue;
    if (characters-- == 0) return utf8.substr(0, i);
  }
  return utf8;
}

}  // namespace spanferry::mlflow
