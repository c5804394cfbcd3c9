// The short texts that MLflow lists traces by: of a chat, what the user said last and what was answered.
#include <simdjson.h>

#include "model/mlflow_text.hpp"
#include "model/mlflow_trace.hpp"

namespace spanferry::mlflow {
namespace {

namespace dom = simdjson::dom;

// mlflow.tracing.constant, TRACE_REQUEST_RESPONSE_PREVIEW_MAX_LENGTH_{OSS,DBX}
constexpr std::size_t kMaxOpenSource = 1000;
constexpr std::size_t kMaxDatabricks = 10000;
constexpr int kMaxRequestDepth = 8;  // of "request" in "request"

bool is_message(const dom::element& item) {
  return item.is_object() && item.at_key("role").error() == simdjson::SUCCESS &&
         item.at_key("content").error() == simdjson::SUCCESS;
}

// The last message by `role` of a list, else its last message.
std::optional<dom::element> last_message(const dom::array& list, std::string_view role) {
  std::optional<dom::element> last, by_role;
  for (const dom::element item : list) {
    if (!is_message(item)) continue;
    last = item;
    std::string_view of;
    if (item.at_key("role").get_string().get(of) == simdjson::SUCCESS && of == role) by_role = item;
  }
  return by_role ? by_role : last;
}

bool filled_list(const dom::element& object, std::string_view key, dom::array& list) {
  return object.at_key(key).get_array().get(list) == simdjson::SUCCESS && list.begin() != list.end();
}

// The places where the APIs of OpenAI (chat completions, responses) and MLflow's agents keep messages.
std::optional<dom::element> find_message(const dom::element& object, std::string_view role, int depth) {
  if (!object.is_object() || depth > kMaxRequestDepth) return std::nullopt;
  dom::array list;
  if (filled_list(object, "messages", list)) return last_message(list, role);
  if (filled_list(object, "choices", list)) {
    dom::element message;
    if (list.at(0).at_key("message").get(message) == simdjson::SUCCESS && is_message(message)) return message;
  }
  if (filled_list(object, "input", list) || filled_list(object, "output", list))
    return last_message(list, role);
  dom::element request;
  if (object.at_key("request").get(request) == simdjson::SUCCESS)
    return find_message(request, role, depth + 1);
  return std::nullopt;
}

std::string text_of(const dom::element& message) {
  const auto content = message.at_key("content");
  std::string_view text;
  if (content.get_string().get(text) == simdjson::SUCCESS) return std::string(text);
  dom::array parts;
  if (content.get_array().get(parts) != simdjson::SUCCESS) return {};
  for (const dom::element part : parts) {
    if (part.get_string().get(text) == simdjson::SUCCESS) return std::string(text);
    std::string_view type;
    if (!part.is_object() || part.at_key("type").get_string().get(type) != simdjson::SUCCESS ||
        (type != "text" && type != "output_text"))
      continue;
    // The first part of text decides, also when it has none.
    return part.at_key("text").get_string().get(text) == simdjson::SUCCESS ? std::string(text) : "";
  }
  return {};
}

}  // namespace

std::string preview(std::string_view json, std::string_view role, Flavor flavor) {
  std::string content;
  if (json.starts_with('{')) {
    dom::parser parser;
    dom::element element;
    if (parser.parse(json.data(), json.size()).get(element) == simdjson::SUCCESS) {
      if (const auto message = find_message(element, role, 0)) content = text_of(*message);
    }
  }
  if (content.empty()) content = json;
  const std::size_t limit = flavor == Flavor::databricks ? kMaxDatabricks : kMaxOpenSource;
  if (cut_characters(content, limit).size() == content.size()) return content;
  return std::string(cut_characters(content, limit - 3)) + "...";
}

}  // namespace spanferry::mlflow
