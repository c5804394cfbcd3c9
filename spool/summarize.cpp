// What one record says about its traces.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>

#include <simdjson.h>

#include "model/mlflow_json.hpp"
#include "model/mlflow_write.hpp"
#include "spool/limits.hpp"
#include "spool/summary.hpp"

namespace spanferry::spool {
namespace {

// In order of preference; the first that is present counts.
constexpr std::array<std::string_view, 4> kSessionKeys{
    "mlflow.trace.session", "session.id", "gen_ai.conversation.id", "http.request.header.x-session-id"};
constexpr std::array<std::string_view, 4> kUserKeys{"mlflow.trace.user", "user.id", "enduser.id",
                                                    "http.request.header.x-user-id"};
constexpr std::array<std::string_view, 3> kRequestKeys{"mlflow.trace.client_request_id", "client_request_id",
                                                       "http.request.header.x-request-id"};
constexpr std::array<std::string_view, 12> kPlaceKeys{"environment",
                                                      "deployment.environment.name",
                                                      "deployment.environment",
                                                      "app_version",
                                                      "service.version",
                                                      "deployment_id",
                                                      "deployment.id",
                                                      "k8s.deployment.name",
                                                      "region",
                                                      "cloud.region",
                                                      "service.name",
                                                      "service.namespace"};
constexpr std::array<std::string_view, 2> kInputTokenKeys{"gen_ai.usage.input_tokens",
                                                          "gen_ai.usage.prompt_tokens"};
constexpr std::array<std::string_view, 2> kOutputTokenKeys{"gen_ai.usage.output_tokens",
                                                           "gen_ai.usage.completion_tokens"};

// Attributes of a span in its encodings: a string may be a JSON string, as the MLflow SDK writes it.
std::string text_of(const Attributes& attributes, std::span<const std::string_view> keys) {
  for (const auto key : keys) {
    const Attribute* found = find(attributes, key);
    if (found == nullptr) continue;
    auto text = found->value.string();
    if (!text || text->empty()) continue;
    if (text->size() >= 2 && text->front() == '"' && text->back() == '"')
      text = text->substr(1, text->size() - 2);
    return cut_text(*text);
  }
  return {};
}

std::int64_t number_of(const Attributes& attributes, std::span<const std::string_view> keys) {
  for (const auto key : keys) {
    const Attribute* found = find(attributes, key);
    if (found == nullptr) continue;
    const auto value = found->value.decode();
    if (const auto* n = std::get_if<std::int64_t>(&value)) return std::max<std::int64_t>(*n, 0);
    if (const auto* d = std::get_if<double>(&value); d != nullptr && *d >= 0 && *d < 9e15) {
      return static_cast<std::int64_t>(*d);
    }
  }
  return 0;
}

std::int64_t clamp_ns(std::uint64_t ns) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(ns, INT64_MAX));
}

constexpr std::string_view kTraceTag = "mlflow.traceTag.", kSdk = "telemetry.sdk.";

// Tags and metadata are found in it (model/mlflow_context.cpp).
bool is_context(std::string_view key) {
  const auto in = [key](const auto& keys) { return std::ranges::find(keys, key) != keys.end(); };
  return key.starts_with(kTraceTag) || in(kSessionKeys) || in(kUserKeys) || in(kRequestKeys) ||
         in(kPlaceKeys);
}

void add_value(TraceSummary& summary, const Attribute& attribute) {
  const auto text = attribute.value.string();
  add_fact(summary, TraceFact::Kind::attribute, attribute.key, text ? *text : to_json(attribute.value));
}

void add_resource(TraceSummary& summary, const DecodedRequest& request, std::uint32_t resource) {
  if (resource >= request.resources.size()) return;
  for (const Attribute& a : request.resources[resource].attributes)
    if (!a.key.starts_with(kSdk)) add_value(summary, a);
}

TraceSummary summary_of(const Span& span, const DecodedRequest& request) {
  TraceSummary summary;
  summary.trace_id = span.trace_id;
  summary.has_root = !span.parent_id.has_value();
  summary.name = cut_text(span.name);
  if (span.resource < request.resources.size()) {
    static constexpr std::array<std::string_view, 1> kService{"service.name"};
    summary.service = text_of(request.resources[span.resource].attributes, kService);
  }
  if (summary.has_root || span.status == StatusCode::error) summary.status = span.status;
  summary.session = text_of(span.attributes, kSessionKeys);
  summary.user = text_of(span.attributes, kUserKeys);
  summary.request_id = text_of(span.attributes, kRequestKeys);
  summary.start_ns = clamp_ns(span.start_ns);
  summary.end_ns = clamp_ns(span.end_ns);
  summary.spans = 1;
  summary.input_tokens = number_of(span.attributes, kInputTokenKeys);
  summary.output_tokens = number_of(span.attributes, kOutputTokenKeys);
  return summary;
}

// Long or computed: nobody searches by them, and they would fill a summary.
bool is_searched(std::string_view key) {
  constexpr std::array<std::string_view, 10> kNot{
      "mlflow.traceInputs",        "mlflow.traceOutputs",        "mlflow.trace.sizeStats",
      "mlflow.trace.sizeBytes",    "mlflow.trace.cost",          "mlflow.trace.tokenUsage",
      "mlflow.artifactLocation",   "mlflow.trace.spansLocation", "mlflow.trace_schema.version",
      "mlflow.trace.infoFinalized"};
  return std::ranges::find(kNot, key) == kNot.end() && !key.starts_with("mlflow.source.git.");
}

void add_assessment(TraceSummary& summary, std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get_object().get(object) != simdjson::SUCCESS) return;
  std::string_view name;
  if (object["assessment_name"].get_string().get(name) != simdjson::SUCCESS &&
      object["assessmentName"].get_string().get(name) != simdjson::SUCCESS)
    return;
  std::string value;
  for (const char* const kind : {"feedback", "expectation"}) {
    simdjson::dom::element said;
    if (object[kind].get(said) == simdjson::SUCCESS) value = simdjson::minify(said);
  }
  add_fact(summary, TraceFact::Kind::assessment, name, value);
}

// Of what a client says, whatever that is: the sum of two of them is a time too.
std::int64_t ns_of(const std::optional<std::int64_t>& ms) {
  constexpr std::int64_t kNsPerMs = 1'000'000;
  return std::clamp<std::int64_t>(ms.value_or(0), 0, INT64_MAX / kNsPerMs / 2) * kNsPerMs;
}

TraceSummary summary_of(const mlflow::WrittenInfo& info) {
  TraceSummary summary;
  summary.trace_id = info.trace;
  summary.started = true;
  summary.state = info.state;
  if (info.state == "OK") summary.status = StatusCode::ok;
  if (info.state == "ERROR") summary.status = StatusCode::error;
  summary.experiment_id = cut_text(info.experiment_id);
  summary.request_id = cut_text(info.client_request_id.value_or(""));
  summary.start_ns = ns_of(info.request_time_ms);
  summary.end_ns = summary.start_ns + ns_of(info.execution_duration_ms);
  const auto value_of = [](const auto& map, const char* key) {
    const auto found = map.find(key);
    return found == map.end() ? std::string() : cut_text(found->second);
  };
  summary.name = value_of(info.tags, "mlflow.traceName");
  summary.session = value_of(info.metadata, "mlflow.trace.session");
  summary.user = value_of(info.metadata, "mlflow.trace.user");
  for (const auto& [key, value] : info.tags)
    if (is_searched(key)) add_fact(summary, TraceFact::Kind::tag, key, value);
  for (const auto& [key, value] : info.metadata)
    if (is_searched(key)) add_fact(summary, TraceFact::Kind::metadata, key, value);
  for (const auto& assessment : info.assessments) add_assessment(summary, assessment);
  return summary;
}

// JSON's text without its quotes, where it is one.
std::string_view plain(std::string_view json) {
  const bool is_text = json.size() >= 2 && json.front() == '"' && json.back() == '"';
  return is_text ? json.substr(1, json.size() - 2) : json;
}

std::vector<TraceSummary> of_file(const std::string& file) {
  const auto spans = mlflow::parse_spans_file(file);
  if (!spans || spans->empty()) return {};
  std::optional<TraceSummary> whole;
  for (const auto& span : *spans) {
    TraceSummary one;
    one.trace_id = span.trace_id;
    one.has_root = !span.parent_id;
    one.name = cut_text(span.name);
    if (one.has_root || span.status == StatusCode::error) one.status = span.status;
    one.start_ns = clamp_ns(span.start_ns);
    one.end_ns = clamp_ns(span.end_ns);
    one.spans = 1;
    for (const auto& a : span.attributes)
      if (is_context(a.key)) add_fact(one, TraceFact::Kind::attribute, a.key, plain(a.json));
    if (whole) {
      merge(*whole, one);
    } else {
      whole = std::move(one);
    }
  }
  return {*std::move(whole)};
}

std::vector<TraceSummary> of_edit(const std::string& payload, const TraceId& trace) {
  const auto edit = mlflow::parse_trace_edit(payload);
  if (!edit) return {};
  TraceSummary summary;
  summary.trace_id = trace;
  using Kind = TraceFact::Kind;
  if (const auto* tag = std::get_if<mlflow::SetTag>(&*edit)) {
    add_fact(summary, tag->value ? Kind::tag : Kind::no_tag, tag->key, tag->value.value_or(""));
  } else if (const auto* assessment = std::get_if<mlflow::EditAssessment>(&*edit)) {
    if (!assessment->assessment.empty()) add_assessment(summary, assessment->assessment);
  } else if (const auto* link = std::get_if<mlflow::LinkToRun>(&*edit)) {
    add_fact(summary, Kind::metadata, "mlflow.sourceRun", link->run_id);
  }
  return {std::move(summary)};
}

// One trace of a request, and the resource it was last met with.
struct Met {
  std::size_t place;
  std::uint32_t resource;
};

std::vector<TraceSummary> of_spans(const std::string& payload) {
  std::vector<TraceSummary> summaries;
  const auto request = decode_traces_request(payload);
  if (!request) return summaries;
  std::unordered_map<TraceId, Met> met;
  for (const auto& span : request->spans) {
    const auto [it, is_new] = met.try_emplace(span.trace_id, Met{summaries.size(), span.resource});
    if (is_new) summaries.emplace_back();
    TraceSummary& summary = summaries[it->second.place];
    if (is_new || it->second.resource != span.resource) add_resource(summary, *request, span.resource);
    it->second.resource = span.resource;
    for (const Attribute& a : span.attributes)
      if (is_context(a.key)) add_value(summary, a);
    TraceSummary one = summary_of(span, *request);
    if (is_new) one.facts = std::move(summary.facts);
    if (is_new) {
      summary = std::move(one);
    } else {
      merge(summary, one);
    }
  }
  return summaries;
}

std::vector<TraceSummary> by_kind(const Record& record) {
  const auto& only = record.header.only_trace;
  switch (record.header.kind) {
    case RecordKind::spans:
      return of_spans(*record.payload);
    case RecordKind::trace_info:
      if (const auto info = mlflow::parse_written_info(*record.payload)) return {summary_of(*info)};
      return {};
    case RecordKind::trace_data:
      return of_file(*record.payload);
    case RecordKind::trace_edit:
      return only ? of_edit(*record.payload, *only) : std::vector<TraceSummary>{};
    case RecordKind::trace_delete: {
      if (!only) return {};
      TraceSummary summary;
      summary.trace_id = *only;
      summary.deleted = true;
      return {std::move(summary)};
    }
    case RecordKind::experiment_edit:
    case RecordKind::artifact:
      break;
  }
  return {};
}

}  // namespace

std::vector<TraceSummary> summarize(const Record& record) {
  auto summaries = by_kind(record);
  const auto& route = record.header.route;
  for (TraceSummary& one : summaries) {
    one.first_seq = one.last_seq = record.seq;
    one.received_ns = record.header.received_ns;
    if (one.experiment_id.empty()) one.experiment_id = cut_text(route.experiment_id);
    one.experiment_name = cut_text(route.experiment_name);
  }
  return summaries;
}

}  // namespace spanferry::spool
