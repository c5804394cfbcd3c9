#include "console/trace_json.hpp"

#include <array>
#include <string>
#include <unordered_set>

#include "model/mlflow_span.hpp"
#include "model/status_code.hpp"

namespace spanferry::console {
namespace {

std::string_view kind_name(std::int32_t kind) {
  static constexpr std::array<std::string_view, 6> kNames{"UNSPECIFIED", "INTERNAL", "SERVER",
                                                          "CLIENT",      "PRODUCER", "CONSUMER"};
  return kind >= 0 && kind < 6 ? kNames[static_cast<std::size_t>(kind)] : kNames[0];
}

double milliseconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e6; }

void write_id(JsonWriter& json, std::string_view key, const std::optional<SpanId>& id) {
  json.key(key);
  if (id) {
    json.value(id->hex());
  } else {
    json.null();
  }
}

}  // namespace

void write_summary(JsonWriter& json, const spool::TraceSummary& summary) {
  const double duration_ms = static_cast<double>(summary.end_ns - summary.start_ns) / 1e6;
  json.begin_object()
      .field("trace_id", summary.trace_id.hex())
      .field("name", summary.name)
      .field("service", summary.service)
      .field("status", name(summary.status))
      .field("has_root", summary.has_root)
      .field("session", summary.session)
      .field("user", summary.user)
      .field("request_id", summary.request_id)
      .field("start_time_unix_nano", std::to_string(summary.start_ns))
      .field("end_time_unix_nano", std::to_string(summary.end_ns))
      .field("received_unix_nano", std::to_string(summary.received_ns))
      .field("duration_ms", duration_ms)
      .field("spans", summary.spans)
      .field("input_tokens", summary.input_tokens)
      .field("output_tokens", summary.output_tokens)
      .field("first_seq", summary.first_seq)
      .field("last_seq", summary.last_seq)
      .end_object();
}

void write_attributes(JsonWriter& json, const Attributes& attributes) {
  json.begin_object();
  // A key that is there twice would make JSON that readers take differently: the first counts, as in find().
  std::unordered_set<std::string_view> seen;
  for (const Attribute& attribute : attributes) {
    if (!seen.insert(attribute.key).second) continue;
    json.key(attribute.key).raw(to_json(attribute.value));
  }
  json.end_object();
}

void write_span(JsonWriter& json, const Span& span, const Resource& resource) {
  const std::uint64_t length_ns = span.end_ns > span.start_ns ? span.end_ns - span.start_ns : 0;
  json.begin_object().field("span_id", span.span_id.hex());
  write_id(json, "parent_span_id", span.parent_id);
  json.field("name", span.name).field("kind", kind_name(span.kind)).key("type");
  const auto stored = mlflow::stored_span(span);
  const std::string* type = stored.find(mlflow::attribute::kSpanType);
  json.raw(type != nullptr ? std::string_view(*type) : std::string_view("\"UNKNOWN\""));
  json.field("start_time_unix_nano", std::to_string(span.start_ns))
      .field("end_time_unix_nano", std::to_string(span.end_ns))
      .field("start_ms", milliseconds(span.start_ns))
      .field("end_ms", milliseconds(span.end_ns))
      .field("duration_ms", milliseconds(length_ns))
      .field("status", name(span.status))
      .field("status_message", span.status_message)
      .field("scope", span.scope_name)
      .key("attributes");
  write_attributes(json, span.attributes);
  json.key("events").begin_array();
  for (const SpanEvent& event : span.events) {
    json.begin_object().field("name", event.name).field("time_unix_nano", std::to_string(event.time_ns));
    json.key("attributes");
    write_attributes(json, event.attributes);
    json.end_object();
  }
  json.end_array().key("links").begin_array();
  for (const SpanLink& link : span.links) {
    json.begin_object().key("trace_id");
    if (link.trace_id) {
      json.value(link.trace_id->hex());
    } else {
      json.null();
    }
    write_id(json, "span_id", link.span_id);
    json.key("attributes");
    write_attributes(json, link.attributes);
    json.end_object();
  }
  json.end_array().key("resource");
  write_attributes(json, resource.attributes);
  json.end_object();
}

}  // namespace spanferry::console
