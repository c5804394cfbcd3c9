#include "ingest/mlflow_api/trace_json.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include "model/json_text.hpp"
#include "model/mlflow_json.hpp"
#include "model/mlflow_table.hpp"
#include "model/status_code.hpp"

namespace spanferry::ingest {
namespace {

using mlflow::StoredSpan;

constexpr std::string_view kSpansLocation = "mlflow.trace.spansLocation";
constexpr std::string_view kArtifactLocation = "mlflow.artifactLocation";

void write_times(JsonWriter& json, const mlflow::WrittenInfo& info) {
  if (info.request_time_ms) json.field("request_time", mlflow::timestamp(*info.request_time_ms));
  if (info.execution_duration_ms)
    json.field("execution_duration", mlflow::duration(*info.execution_duration_ms));
  json.field("state", info.state.empty() ? std::string_view("STATE_UNSPECIFIED") : info.state);
}

void write_rest(JsonWriter& json, const LocalTrace& trace) {
  const auto& info = trace.info;
  if (!trace.assessments.all().empty()) {
    json.key("assessments").begin_array();
    for (const JsonObject& assessment : trace.assessments.all()) json.raw(assessment.json());
    json.end_array();
  }
  if (info.request_preview) json.field("request_preview", *info.request_preview);
  if (info.response_preview) json.field("response_preview", *info.response_preview);
}

// An AnyValue; of null nothing, as MLflow writes None. JSON is as deep as simdjson lets it be.
void write_value(JsonWriter& json, simdjson::dom::element value) {  // NOLINT(misc-no-recursion)
  using Type = simdjson::dom::element_type;
  json.begin_object();
  switch (value.type()) {
    case Type::NULL_VALUE:
      break;
    case Type::BOOL:
      json.field("bool_value", bool(value));
      break;
    case Type::INT64:
      json.field("int_value", std::int64_t(value));
      break;
    case Type::UINT64:  // more than an int_value holds
    case Type::DOUBLE:
      json.field("double_value", double(value));
      break;
    case Type::STRING:
      json.field("string_value", std::string_view(value));
      break;
    case Type::ARRAY:
      json.key("array_value").begin_object().key("values").begin_array();
      for (const auto element : simdjson::dom::array(value)) write_value(json, element);
      json.end_array().end_object();
      break;
    case Type::OBJECT:
      json.key("kvlist_value").begin_object().key("values").begin_array();
      for (const auto& [key, element] : simdjson::dom::object(value)) {
        json.begin_object().field("key", key).key("value");
        write_value(json, element);
        json.end_object();
      }
      json.end_array().end_object();
      break;
  }
  json.end_object();
}

void write_attribute(JsonWriter& json, simdjson::dom::parser& parser, std::string_view key,
                     std::string_view text) {
  json.begin_object().field("key", key).key("value");
  simdjson::dom::element value;
  if (parser.parse(text.data(), text.size()).get(value) == simdjson::SUCCESS) {
    write_value(json, value);
  } else {
    json.begin_object().field("string_value", text).end_object();
  }
  json.end_object();
}

void write_object_attributes(JsonWriter& json, simdjson::dom::parser& parser, std::string_view object) {
  simdjson::dom::object members;
  if (parser.parse(object.data(), object.size()).get_object().get(members) != simdjson::SUCCESS ||
      members.begin() == members.end())
    return;
  json.key("attributes").begin_array();
  for (const auto& [key, value] : members) {
    json.begin_object().field("key", key).key("value");
    write_value(json, value);
    json.end_object();
  }
  json.end_array();
}

void write_events(JsonWriter& json, simdjson::dom::parser& parser, const StoredSpan& span) {
  if (span.events.empty()) return;
  json.key("events").begin_array();
  for (const auto& event : span.events) {
    json.begin_object().field("time_unix_nano", event.time_ns).field("name", event.name);
    write_object_attributes(json, parser, event.attributes);
    json.end_object();
  }
  json.end_array();
}

void write_links(JsonWriter& json, simdjson::dom::parser& parser, const StoredSpan& span) {
  if (span.links.empty()) return;
  json.key("links").begin_array();
  for (const auto& link : span.links) {
    const auto trace = mlflow::parse_trace_id(link.trace_id);
    const auto id = SpanId::from_hex(link.span_id);
    if (!trace || !id) continue;
    json.begin_object().field("trace_id", trace->base64()).field("span_id", id->base64());
    write_object_attributes(json, parser, link.attributes);
    json.end_object();
  }
  json.end_array();
}

void write_span(JsonWriter& json, simdjson::dom::parser& parser, const StoredSpan& span) {
  json.begin_object().field("trace_id", span.trace_id.base64()).field("span_id", span.span_id.base64());
  if (span.parent_id) json.field("parent_span_id", span.parent_id->base64());
  json.field("name", span.name).field("start_time_unix_nano", span.start_ns);
  if (span.end_ns != 0) json.field("end_time_unix_nano", span.end_ns);
  json.key("attributes").begin_array();
  for (const auto& attribute : span.attributes) write_attribute(json, parser, attribute.key, attribute.json);
  json.end_array();
  write_events(json, parser, span);
  write_links(json, parser, span);
  json.key("status").begin_object();
  if (!span.status_message.empty()) json.field("message", span.status_message);
  if (span.status != StatusCode::unset) json.field("code", protobuf_name(span.status));
  json.end_object().end_object();
}

}  // namespace

std::string artifact_location(const TraceId& trace, std::string_view experiment_id, Reader reader) {
  return reader == Reader::http
             ? fmt::format("mlflow-artifacts:/{}/traces/tr-{}/artifacts", experiment_id, trace.hex())
             : fmt::format("dbfs:/databricks/mlflow-tracking/{}/tr-{}/artifacts", experiment_id, trace.hex());
}

void write_trace_info(JsonWriter& json, const LocalTrace& trace, std::string_view experiment_id,
                      Reader reader) {
  const auto& info = trace.info;
  json.begin_object().field("trace_id", mlflow::trace_name_of(trace.id));
  if (info.client_request_id) json.field("client_request_id", *info.client_request_id);
  json.key("trace_location").begin_object().field("type", "MLFLOW_EXPERIMENT").key("mlflow_experiment");
  json.begin_object().field("experiment_id", experiment_id).end_object().end_object();
  write_times(json, info);
  auto metadata = info.metadata;
  if (reader == Reader::http && trace.started)
    metadata.insert_or_assign("mlflow.trace.infoFinalized", "true");
  write_texts(json, "trace_metadata", metadata);
  auto tags = info.tags;
  tags.insert_or_assign(std::string(kArtifactLocation), artifact_location(trace.id, experiment_id, reader));
  // Of an upload to the far side it says nothing to those who read here.
  tags.erase(std::string(kSpansLocation));
  if (reader == Reader::http && trace.has_spans)
    tags.insert_or_assign(std::string(kSpansLocation), "TRACKING_STORE");
  write_texts(json, "tags", tags);
  write_rest(json, trace);
  json.end_object();
}

void write_trace_info_v4(JsonWriter& json, const LocalTrace& trace, std::string_view location) {
  const auto& info = trace.info;
  json.begin_object().field("trace_id", trace.id.hex());
  if (info.client_request_id) json.field("client_request_id", *info.client_request_id);
  json.key("trace_location");
  mlflow::write_trace_location(json, mlflow::table_location(location, {}));
  write_times(json, info);
  write_texts(json, "trace_metadata", info.metadata);
  write_texts(json, "tags", info.tags);
  write_rest(json, trace);
  json.end_object();
}

void write_otlp_spans(JsonWriter& json, const std::vector<StoredSpan>& spans) {
  simdjson::dom::parser parser;
  json.begin_array();
  for (const StoredSpan& span : spans) write_span(json, parser, span);
  json.end_array();
}

}  // namespace spanferry::ingest
