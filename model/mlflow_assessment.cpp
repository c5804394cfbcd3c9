#include "model/mlflow_assessment.hpp"

#include <simdjson.h>

#include "model/json_writer.hpp"

namespace spanferry::mlflow {
namespace dom = simdjson::dom;

std::string assessment_with_ids(std::string_view assessment, std::string_view id, std::string_view trace_id,
                                const std::function<std::string(std::string_view)>& translate) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  if (!id.empty()) json.field("assessment_id", id);
  if (!trace_id.empty()) json.field("trace_id", trace_id);
  dom::parser parser;
  dom::object members;
  const bool is_object =
      parser.parse(simdjson::padded_string(assessment)).get_object().get(members) == simdjson::SUCCESS;
  for (const auto& [key, value] : is_object ? members : dom::object()) {
    const bool is_id = key == "assessment_id" || key == "assessmentId";
    const bool is_trace = key == "trace_id" || key == "traceId";
    if ((is_id && !id.empty()) || (is_trace && !trace_id.empty())) continue;
    std::string_view text;
    if (key == "overrides" && value.get_string().get(text) == simdjson::SUCCESS) {
      json.field(key, translate(text));
    } else {
      json.key(key).raw(simdjson::minify(value));
    }
  }
  json.end_object();
  return out;
}

std::string assessment_id_of_answer(std::string_view body) {
  dom::parser parser;
  std::string_view id;
  if (parser.parse(simdjson::padded_string(body)).at_key("assessment").at_key("assessment_id").get(id) !=
      simdjson::SUCCESS)
    return {};
  return std::string(id);
}

}  // namespace spanferry::mlflow
