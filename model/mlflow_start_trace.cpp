#include "model/mlflow_start_trace.hpp"

#include <algorithm>

#include <simdjson.h>

#include "model/json_text.hpp"
#include "model/json_writer.hpp"

namespace spanferry::mlflow {
namespace {

std::string assessment_id_of(std::string_view assessment) {
  simdjson::dom::parser parser;
  std::string_view id;
  if (parser.parse(simdjson::padded_string(assessment)).at_key("assessment_id").get(id) != simdjson::SUCCESS)
    return {};
  return std::string(id);
}

void merge_assessment(std::vector<std::string>& all, std::string assessment) {
  const std::string id = assessment_id_of(assessment);
  const auto same = id.empty() ? all.end() : std::ranges::find_if(all, [&id](const std::string& one) {
    return assessment_id_of(one) == id;
  });
  if (same == all.end()) {
    all.push_back(std::move(assessment));
  } else {
    *same = std::move(assessment);
  }
}

}  // namespace

void merge_written_info(WrittenInfo& info, WrittenInfo next) {
  for (auto& [key, value] : info.metadata) next.metadata.emplace(key, std::move(value));
  for (auto& [key, value] : info.tags) next.tags.emplace(key, std::move(value));
  if (!next.request_preview) next.request_preview = std::move(info.request_preview);
  if (!next.response_preview) next.response_preview = std::move(info.response_preview);
  auto assessments = std::move(info.assessments);
  for (std::string& one : next.assessments) merge_assessment(assessments, std::move(one));
  next.assessments = std::move(assessments);
  info = std::move(next);
}

void write_info(JsonWriter& json, const WrittenInfo& info, std::string_view trace_id, WithTags tags,
                const std::function<void()>& write_location) {
  json.begin_object().field("trace_id", trace_id);
  if (info.client_request_id) json.field("client_request_id", *info.client_request_id);
  json.key("trace_location");
  write_location();
  if (info.request_preview) json.field("request_preview", *info.request_preview);
  if (info.response_preview) json.field("response_preview", *info.response_preview);
  if (info.request_time_ms) json.field("request_time", timestamp(*info.request_time_ms));
  if (info.execution_duration_ms) json.field("execution_duration", duration(*info.execution_duration_ms));
  if (!info.state.empty()) json.field("state", info.state);
  write_texts(json, "trace_metadata", info.metadata);
  if (tags == WithTags::yes) write_texts(json, "tags", info.tags);
  if (!info.assessments.empty()) {
    json.key("assessments").begin_array();
    for (const std::string& one : info.assessments) json.raw(one);
    json.end_array();
  }
  json.end_object();
}

std::string start_trace_body(const WrittenInfo& info, std::string_view experiment_id, WithTags tags) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("trace").begin_object().key("trace_info");
  write_info(json, info, trace_name_of(info.trace), tags, [&] {
    json.begin_object().field("type", "MLFLOW_EXPERIMENT").key("mlflow_experiment");
    json.begin_object().field("experiment_id", experiment_id).end_object().end_object();
  });
  json.end_object().end_object();
  return out;
}

}  // namespace spanferry::mlflow
