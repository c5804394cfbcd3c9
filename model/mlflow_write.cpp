#include "model/mlflow_write.hpp"

#include <array>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/json_text.hpp"
#include "model/json_writer.hpp"
#include "model/mlflow_json.hpp"
#include "model/otlp_json_numbers.hpp"

namespace spanferry::mlflow {
namespace {

namespace dom = simdjson::dom;

constexpr auto kStates = std::to_array<std::string_view>({"STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"});

// The parser owns what the element points into.
Result<dom::element> parse_object(dom::parser& parser, std::string_view json, std::string_view what) {
  dom::element root;
  if (const auto error = parser.parse(simdjson::padded_string(json)).get(root))
    return fail(ErrorKind::invalid_input, fmt::format("{} is not JSON: {}", what, error_message(error)));
  if (!root.is_object()) return fail(ErrorKind::invalid_input, fmt::format("{} is no JSON object", what));
  return root;
}

// Protobuf's JSON takes a field under either name.
std::optional<dom::element> member(const dom::element& object, std::string_view snake,
                                   std::string_view camel = {}) {
  dom::element found;
  if (object.at_key(snake).get(found) == simdjson::SUCCESS && !found.is_null()) return found;
  if (!camel.empty() && object.at_key(camel).get(found) == simdjson::SUCCESS && !found.is_null())
    return found;
  return std::nullopt;
}

std::optional<std::string> text(const dom::element& object, std::string_view snake,
                                std::string_view camel = {}) {
  const auto found = member(object, snake, camel);
  std::string_view value;
  if (!found || found->get_string().get(value) != simdjson::SUCCESS) return std::nullopt;
  return std::string(value);
}

std::map<std::string, std::string> texts(const dom::element& object, std::string_view snake,
                                         std::string_view camel = {}) {
  std::map<std::string, std::string> all;
  const auto found = member(object, snake, camel);
  dom::object members;
  if (!found || found->get_object().get(members) != simdjson::SUCCESS) return all;
  for (const auto& [key, value] : members) {
    std::string_view one;
    if (value.get_string().get(one) == simdjson::SUCCESS) all.insert_or_assign(std::string(key), one);
  }
  return all;
}

void read_location(const dom::element& object, WrittenInfo& info) {
  info.experiment_id = text(object, "experiment_id", "experimentId").value_or("");
  info.location = text(object, "location").value_or("");
  const auto location = member(object, "trace_location", "traceLocation");
  if (!location || !location->is_object()) return;
  if (const auto experiment = member(*location, "mlflow_experiment", "mlflowExperiment"))
    info.experiment_id = text(*experiment, "experiment_id", "experimentId").value_or("");
  if (const auto prefix = member(*location, "uc_table_prefix", "ucTablePrefix")) {
    info.location = fmt::format("{}.{}", text(*prefix, "catalog_name", "catalogName").value_or(""),
                                text(*prefix, "schema_name", "schemaName").value_or(""));
    if (const auto last = text(*prefix, "table_prefix", "tablePrefix"); last && !last->empty())
      info.location += "." + *last;
  } else if (const auto schema = member(*location, "uc_schema", "ucSchema")) {
    info.location = fmt::format("{}.{}", text(*schema, "catalog_name", "catalogName").value_or(""),
                                text(*schema, "schema_name", "schemaName").value_or(""));
  }
}

void optional_field(JsonWriter& json, std::string_view key, const std::optional<std::string>& value) {
  if (value) json.field(key, *value);
}

std::string_view name_of(EditAssessment::Way way) {
  switch (way) {
    case EditAssessment::Way::create:
      return "create_assessment";
    case EditAssessment::Way::update:
      return "update_assessment";
    case EditAssessment::Way::remove:
      return "delete_assessment";
  }
  return "";
}

void write(JsonWriter& json, const SetTag& edit) {
  json.field("op", edit.value ? "set_tag" : "delete_tag").field("key", edit.key);
  if (edit.value) json.field("value", *edit.value);
}
void write(JsonWriter& json, const EditAssessment& edit) {
  json.field("op", name_of(edit.way)).field("assessment_id", edit.id);
  if (!edit.assessment.empty()) json.key("assessment").raw(edit.assessment);
  if (!edit.update_mask.empty()) json.field("update_mask", edit.update_mask);
}
void write(JsonWriter& json, const LinkToRun& edit) {
  json.field("op", "link_to_run").field("run_id", edit.run_id);
}
void write(JsonWriter& json, const FeedbackByRequest& edit) {
  json.field("op", "feedback_by_request")
      .field("client_request_id", edit.client_request_id)
      .field("assessment_id", edit.id)
      .key("assessment")
      .raw(edit.assessment);
}
void write(JsonWriter& json, const CreateExperiment& edit) {
  json.field("op", "create_experiment").field("name", edit.name);
  if (!edit.provisional_id.empty()) json.field("provisional_id", edit.provisional_id);
  json.key("tags").begin_array();
  for (const auto& [key, value] : edit.tags)
    json.begin_object().field("key", key).field("value", value).end_object();
  json.end_array();
}
void write(JsonWriter& json, const SetExperimentTag& edit) {
  json.field("op", "set_experiment_tag").field("key", edit.key).field("value", edit.value);
}
void write(JsonWriter& json, const MakeLocation& edit) {
  json.field("op", "make_location").field("path", edit.path);
  if (!edit.sql_warehouse_id.empty()) json.field("sql_warehouse_id", edit.sql_warehouse_id);
}
void write(JsonWriter& json, const LinkLocation& edit) {
  json.field("op", "link_location").field("path", edit.path);
}

template <class... T>
std::string object_of(const std::variant<T...>& edit) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  std::visit([&json](const auto& one) { write(json, one); }, edit);
  json.end_object();
  return out;
}

std::string raw_member(const dom::element& object, std::string_view key) {
  const auto found = member(object, key);
  return found && found->is_object() ? simdjson::minify(*found) : std::string();
}

std::unexpected<Error> unknown_op(std::string_view what, std::string_view op) {
  return fail(ErrorKind::unsupported,
              fmt::format("`{}` is no {} that this version knows", op.substr(0, 64), what));
}

}  // namespace

std::optional<TraceId> parse_trace_id(std::string_view id) {
  if (id.starts_with("tr-")) return TraceId::from_hex(id.substr(3));
  if (id.starts_with("trace:/")) {
    const std::size_t slash = id.rfind('/');
    return TraceId::from_hex(id.substr(slash + 1));
  }
  return TraceId::from_hex(id);
}

Result<WrittenInfo> parse_written_info(std::string_view json) {
  dom::parser parser;
  const auto root = parse_object(parser, json, "the trace info");
  if (!root) return std::unexpected(root.error());
  WrittenInfo info;
  const auto id = text(*root, "trace_id", "traceId");
  const auto trace = id ? parse_trace_id(*id) : std::nullopt;
  if (!trace || trace->is_zero())
    return fail(ErrorKind::invalid_input, fmt::format("trace_id must be `tr-` and 32 hex digits, not `{}`",
                                                      id.value_or("").substr(0, 64)));
  info.trace = *trace;
  read_location(*root, info);
  info.client_request_id = text(*root, "client_request_id", "clientRequestId");
  info.request_preview = text(*root, "request_preview", "requestPreview");
  info.response_preview = text(*root, "response_preview", "responsePreview");
  if (const auto time = text(*root, "request_time", "requestTime"))
    info.request_time_ms = parse_timestamp(*time);
  if (const auto time = text(*root, "execution_duration", "executionDuration"))
    info.execution_duration_ms = parse_duration(*time);
  const auto state = text(*root, "state").value_or("");
  for (const std::string_view known : kStates)
    if (state == known) info.state = state;
  info.metadata = texts(*root, "trace_metadata", "traceMetadata");
  info.tags = texts(*root, "tags");
  const auto assessments = member(*root, "assessments");
  dom::array list;
  if (assessments && assessments->get_array().get(list) == simdjson::SUCCESS)
    for (const dom::element one : list)
      if (one.is_object()) info.assessments.push_back(simdjson::minify(one));
  return info;
}

std::string encode(const WrittenInfo& info) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("trace_id", "tr-" + info.trace.hex());
  if (!info.experiment_id.empty()) json.field("experiment_id", info.experiment_id);
  if (!info.location.empty()) json.field("location", info.location);
  optional_field(json, "client_request_id", info.client_request_id);
  optional_field(json, "request_preview", info.request_preview);
  optional_field(json, "response_preview", info.response_preview);
  if (info.request_time_ms) json.field("request_time", timestamp(*info.request_time_ms));
  if (info.execution_duration_ms) json.field("execution_duration", duration(*info.execution_duration_ms));
  if (!info.state.empty()) json.field("state", info.state);
  write_texts(json, "trace_metadata", info.metadata);
  write_texts(json, "tags", info.tags);
  json.key("assessments").begin_array();
  for (const auto& one : info.assessments) json.raw(one);
  json.end_array().end_object();
  return out;
}

std::string encode(const TraceEdit& edit) { return object_of(edit); }

Result<TraceEdit> parse_trace_edit(std::string_view payload) {
  dom::parser parser;
  const auto root = parse_object(parser, payload, "the edit");
  if (!root) return std::unexpected(root.error());
  const auto get = [&root](std::string_view key) { return text(*root, key).value_or(""); };
  const std::string op = get("op");
  if (op == "set_tag") return SetTag{get("key"), get("value")};
  if (op == "delete_tag") return SetTag{get("key"), std::nullopt};
  if (op == "link_to_run") return LinkToRun{get("run_id")};
  if (op == "feedback_by_request")
    return FeedbackByRequest{get("client_request_id"), get("assessment_id"), raw_member(*root, "assessment")};
  using enum EditAssessment::Way;
  for (const auto way : {create, update, remove})
    if (op == name_of(way))
      return EditAssessment{way, get("assessment_id"), raw_member(*root, "assessment"), get("update_mask")};
  return unknown_op("edit of a trace", op);
}

std::string encode(const TraceDelete& deletion) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("max_timestamp_millis", deletion.max_timestamp_ms)
      .field("max_traces", deletion.max_traces)
      .end_object();
  return out;
}

Result<TraceDelete> parse_trace_delete(std::string_view payload) {
  dom::parser parser;
  const auto root = parse_object(parser, payload, "the deletion");
  if (!root) return std::unexpected(root.error());
  TraceDelete deletion;
  if (const auto time = member(*root, "max_timestamp_millis"))
    deletion.max_timestamp_ms = otlp::json_int64(*time).value_or(0);
  if (const auto most = member(*root, "max_traces"))
    deletion.max_traces = static_cast<std::uint32_t>(otlp::json_uint64(*most).value_or(0));
  return deletion;
}

std::string encode(const ExperimentEdit& edit) { return object_of(edit); }

Result<ExperimentEdit> parse_experiment_edit(std::string_view payload) {
  dom::parser parser;
  const auto root = parse_object(parser, payload, "the edit");
  if (!root) return std::unexpected(root.error());
  const auto get = [&root](std::string_view key) { return text(*root, key).value_or(""); };
  const std::string op = get("op");
  if (op == "set_experiment_tag") return SetExperimentTag{get("key"), get("value")};
  if (op == "make_location") return MakeLocation{get("path"), get("sql_warehouse_id")};
  if (op == "link_location") return LinkLocation{get("path")};
  if (op != "create_experiment") return unknown_op("edit of an experiment", op);
  CreateExperiment create{get("name"), get("provisional_id"), {}};
  dom::array tags;
  if (const auto list = member(*root, "tags"); list && list->get_array().get(tags) == simdjson::SUCCESS)
    for (const dom::element tag : tags)
      if (tag.is_object())
        create.tags.emplace_back(text(tag, "key").value_or(""), text(tag, "value").value_or(""));
  return create;
}

std::string encode(const Artifact& artifact) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("path", artifact.path)
      .field("content_type", artifact.content_type)
      .end_object();
  out += '\n';
  out += artifact.bytes;
  return out;
}

Result<Artifact> parse_artifact(std::string_view payload) {
  const std::size_t line = payload.find('\n');
  if (line == std::string_view::npos)
    return fail(ErrorKind::invalid_input, "the artifact has no line that names it");
  dom::parser parser;
  const auto root = parse_object(parser, payload.substr(0, line), "the artifact's first line");
  if (!root) return std::unexpected(root.error());
  return Artifact{text(*root, "path").value_or(""), text(*root, "content_type").value_or(""),
                  payload.substr(line + 1)};
}

}  // namespace spanferry::mlflow
