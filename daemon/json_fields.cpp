#include "daemon/json_fields.hpp"

#include <charconv>

namespace spanferry::daemon {
namespace {

bool find(Json object, std::string_view key, Json& value) {
  return object.is_object() && object.at_key(key).get(value) == simdjson::SUCCESS;
}

// Stand-ins for what is absent: documents of their own that live as long as the thread.
Json empty_json(const char* text) {
  static thread_local simdjson::dom::parser list_parser, object_parser;
  auto& parser = *text == '[' ? list_parser : object_parser;
  Json value;
  if (parser.parse(std::string_view(text)).get(value) != simdjson::SUCCESS) return {};
  return value;
}

}  // namespace

Result<Json> parse_json(simdjson::dom::parser& parser, std::string_view text) {
  Json document;
  if (const auto error = parser.parse(text).get(document); error != simdjson::SUCCESS)
    return fail(ErrorKind::invalid_input,
                std::string("the answer is not JSON: ") + simdjson::error_message(error));
  return document;
}

std::string_view text_of(Json object, std::string_view key) {
  Json value;
  std::string_view text;
  if (find(object, key, value) && value.get(text) == simdjson::SUCCESS) return text;
  return {};
}

double number_of(Json object, std::string_view key) {
  Json value;
  if (!find(object, key, value)) return 0;
  if (double number = 0; value.get(number) == simdjson::SUCCESS) return number;
  return static_cast<double>(integer_of(object, key));
}

std::int64_t integer_of(Json object, std::string_view key) {
  Json value;
  if (!find(object, key, value)) return 0;
  if (std::int64_t integer = 0; value.get(integer) == simdjson::SUCCESS) return integer;
  std::string_view text;
  std::int64_t integer = 0;
  if (value.get(text) == simdjson::SUCCESS) std::from_chars(text.data(), text.data() + text.size(), integer);
  return integer;
}

bool flag_of(Json object, std::string_view key) {
  Json value;
  bool flag = false;
  return find(object, key, value) && value.get(flag) == simdjson::SUCCESS && flag;
}

simdjson::dom::array list_of(Json object, std::string_view key) {
  Json value;
  simdjson::dom::array list;
  if (!find(object, key, value) || value.get(list) != simdjson::SUCCESS) (void)empty_json("[]").get(list);
  return list;
}

simdjson::dom::object object_of(Json object, std::string_view key) {
  Json value;
  simdjson::dom::object found;
  if (!find(object, key, value) || value.get(found) != simdjson::SUCCESS) (void)empty_json("{}").get(found);
  return found;
}

}  // namespace spanferry::daemon
