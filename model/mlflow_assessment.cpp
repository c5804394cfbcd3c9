#include "model/mlflow_assessment.hpp"

#include <cstdint>
#include <optional>

#include <simdjson.h>

#include "model/json_writer.hpp"
#include "model/mlflow_json.hpp"

namespace spanferry::mlflow {
namespace dom = simdjson::dom;

namespace {

// What nobody changes of an assessment, beside its id. The views are into what was parsed.
struct Identity {
  std::optional<std::int64_t> created_ms;
  std::string_view name, source_type, source_id;

  bool operator==(const Identity&) const = default;
};

Identity identity_of(const dom::element& assessment) {
  const auto text = [](simdjson::simdjson_result<dom::element> value) {
    std::string_view found;
    return value.get(found) == simdjson::SUCCESS ? found : std::string_view();
  };
  return {parse_timestamp(text(assessment["create_time"])), text(assessment["assessment_name"]),
          text(assessment["source"]["source_type"]), text(assessment["source"]["source_id"])};
}

}  // namespace

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
  dom::element answer, assessment;
  std::string_view id;
  if (parser.parse(simdjson::padded_string(body)).get(answer) != simdjson::SUCCESS) return {};
  if (answer.at_key("assessment").get(assessment) != simdjson::SUCCESS) assessment = answer;
  if (assessment.at_key("assessment_id").get(id) != simdjson::SUCCESS) return {};
  return std::string(id);
}

std::vector<std::string> assessments_like(std::string_view trace_answer, std::string_view assessment) {
  dom::parser ours, theirs;
  dom::element element;
  dom::array all;
  std::vector<std::string> ids;
  if (ours.parse(simdjson::padded_string(assessment)).get(element) != simdjson::SUCCESS) return ids;
  const Identity wanted = identity_of(element);
  if (!wanted.created_ms ||
      theirs.parse(simdjson::padded_string(trace_answer))["trace"]["trace_info"]["assessments"].get(all) !=
          simdjson::SUCCESS)
    return ids;
  for (const dom::element one : all) {
    std::string_view id;
    if (identity_of(one) == wanted && one.at_key("assessment_id").get(id) == simdjson::SUCCESS)
      ids.emplace_back(id);
  }
  return ids;
}

}  // namespace spanferry::mlflow
