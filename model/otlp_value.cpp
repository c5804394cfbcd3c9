#include "model/otlp_value.hpp"

#include <optional>

#include <protozero/pbf_writer.hpp>
#include <simdjson.h>

#include "model/otlp_fields.hpp"
#include "model/otlp_scan.hpp"

namespace spanferry {
namespace {

using protozero::pbf_writer;
using simdjson::dom::element;
using simdjson::dom::element_type;

std::string string_value(std::string_view text) {
  std::string out;
  pbf_writer(out).add_bytes(otlp::any_value::kString, text.data(), text.size());
  return out;
}

std::string key_value(std::string_view key, std::string_view value) {
  std::string out;
  pbf_writer writer(out);
  writer.add_bytes(otlp::key_value::kKey, key.data(), key.size());
  writer.add_bytes(otlp::key_value::kValue, value.data(), value.size());
  return out;
}

// Nothing beyond the depth.
std::optional<std::string> value_of(const element& json, int depth) {
  if (depth > kMaxNestingDepth) return std::nullopt;
  std::string out;
  pbf_writer writer(out);
  switch (json.type()) {
    case element_type::NULL_VALUE:
      break;
    case element_type::BOOL:
      writer.add_bool(otlp::any_value::kBool, json.get_bool().value_unsafe());
      break;
    case element_type::INT64:
      writer.add_int64(otlp::any_value::kInt, json.get_int64().value_unsafe());
      break;
    case element_type::UINT64:
      return string_value(std::to_string(json.get_uint64().value_unsafe()));
    case element_type::DOUBLE:
      writer.add_double(otlp::any_value::kDouble, json.get_double().value_unsafe());
      break;
    case element_type::STRING:
      return string_value(json.get_string().value_unsafe());
    case element_type::ARRAY: {
      std::string list;
      for (const element entry : json.get_array().value_unsafe()) {
        const auto value = value_of(entry, depth + 1);
        if (!value) return std::nullopt;
        pbf_writer(list).add_bytes(otlp::list::kValues, *value);
      }
      writer.add_bytes(otlp::any_value::kArray, list);
      break;
    }
    case element_type::OBJECT: {
      std::string list;
      for (const auto [key, entry] : json.get_object().value_unsafe()) {
        const auto value = value_of(entry, depth + 1);
        if (!value) return std::nullopt;
        pbf_writer(list).add_bytes(otlp::list::kValues, key_value(key, *value));
      }
      writer.add_bytes(otlp::any_value::kKvlist, list);
      break;
    }
  }
  return out;
}

// Most values are short texts without anything to unescape.
bool is_plain_string(std::string_view json) {
  return json.size() >= 2 && json.front() == '"' && json.find_first_of("\"\\", 1) == json.size() - 1 &&
         json.back() == '"';
}

}  // namespace

std::string any_value_of(std::string_view json) {
  if (is_plain_string(json)) return string_value(json.substr(1, json.size() - 2));
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(simdjson::padded_string(json)).get(root) != simdjson::SUCCESS) return string_value(json);
  return value_of(root, 1).value_or(string_value(json));
}

std::string key_value_of(std::string_view key, std::string_view json) {
  return key_value(key, any_value_of(json));
}

}  // namespace spanferry
