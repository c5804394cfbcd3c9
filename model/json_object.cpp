#include "model/json_object.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/json_text.hpp"
#include "model/json_writer.hpp"
#include "model/mlflow_text.hpp"
#include "model/otlp_json_text.hpp"

namespace spanferry {
namespace {}  // namespace

Result<JsonObject> JsonObject::parse(std::string_view json, std::string_view what) {
  std::string storage;
  bool repaired = false;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  const simdjson::padded_string padded(otlp::mend_json_text(json, storage, repaired));
  if (const auto error = parser.parse(padded).get(root))
    return fail(ErrorKind::invalid_input, fmt::format("{} is not JSON: {}", what, error_message(error)));
  simdjson::dom::object object;
  if (root.get_object().get(object) != simdjson::SUCCESS)
    return fail(ErrorKind::invalid_input, fmt::format("{} is no JSON object", what));
  JsonObject parsed;
  for (const auto& [key, value] : object) parsed.set(key, simdjson::minify(value));
  return parsed;
}

const std::string* JsonObject::find(std::string_view key) const {
  const auto it = std::ranges::find(members_, key, &std::pair<std::string, std::string>::first);
  return it == members_.end() || it->second == "null" ? nullptr : &it->second;
}

std::optional<std::string> JsonObject::text(std::string_view key) const {
  const std::string* json = find(key);
  return json == nullptr ? std::nullopt : mlflow::json_string(*json);
}

std::optional<std::int64_t> JsonObject::integer(std::string_view key) const {
  const std::string* json = find(key);
  return json == nullptr ? std::nullopt : mlflow::json_integer(*json);
}

std::vector<std::string> JsonObject::list(std::string_view key) const {
  std::vector<std::string> elements;
  const std::string* json = find(key);
  if (json == nullptr) return elements;
  simdjson::dom::parser parser;
  simdjson::dom::array array;
  const simdjson::padded_string padded(*json);
  if (parser.parse(padded).get_array().get(array) != simdjson::SUCCESS) return elements;
  for (const auto element : array) elements.push_back(simdjson::minify(element));
  return elements;
}

void JsonObject::set(std::string_view key, std::string json) {
  const auto it = std::ranges::find(members_, key, &std::pair<std::string, std::string>::first);
  if (it != members_.end()) {
    it->second = std::move(json);
  } else {
    members_.emplace_back(key, std::move(json));
  }
}

void JsonObject::set_text(std::string_view key, std::string_view text) { set(key, quoted_json(text)); }

void JsonObject::set_first(std::string_view key, std::string json) {
  erase(key);
  members_.emplace(members_.begin(), key, std::move(json));
}

void JsonObject::erase(std::string_view key) {
  std::erase_if(members_, [key](const auto& member) { return member.first == key; });
}

std::string JsonObject::json() const {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  for (const auto& [key, value] : members_) writer.key(key).raw(value);
  writer.end_object();
  return out;
}

}  // namespace spanferry
