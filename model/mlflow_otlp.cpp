#include "model/mlflow_otlp.hpp"

#include <protozero/pbf_writer.hpp>
#include <simdjson.h>

#include "model/mlflow_text.hpp"
#include "model/otlp_fields.hpp"
#include "model/otlp_value.hpp"

namespace spanferry::mlflow {
namespace {

using protozero::pbf_writer;

bool holds_json(std::string_view text) {
  const JsonType type = json_type(text);
  return type == JsonType::string || type == JsonType::array || type == JsonType::object;
}

std::string attribute_of(const JsonAttribute& a, TextValues texts) {
  const auto text = texts == TextValues::in_quotes ? json_string(a.json) : std::nullopt;
  if (!text || !holds_json(*text)) return key_value_of(a.key, a.json);
  std::string value, out;
  pbf_writer(value).add_bytes(otlp::any_value::kString, a.json);
  pbf_writer writer(out);
  writer.add_bytes(otlp::key_value::kKey, a.key);
  writer.add_bytes(otlp::key_value::kValue, value);
  return out;
}

// The members of a JSON object, as they are.
void write_attributes(pbf_writer& writer, protozero::pbf_tag_type tag, std::string_view object) {
  simdjson::dom::parser parser;
  simdjson::dom::object members;
  if (parser.parse(simdjson::padded_string(object)).get_object().get(members) != simdjson::SUCCESS) return;
  for (const auto& [key, value] : members) writer.add_bytes(tag, key_value_of(key, simdjson::minify(value)));
}

void write_event(pbf_writer& span, const StoredEvent& event) {
  std::string out;
  pbf_writer writer(out);
  writer.add_fixed64(otlp::event::kTime, event.time_ns);
  writer.add_bytes(otlp::event::kName, event.name);
  write_attributes(writer, otlp::event::kAttributes, event.attributes);
  span.add_bytes(otlp::span::kEvents, out);
}

void write_link(pbf_writer& span, const StoredLink& link) {
  const std::string_view name(link.trace_id);
  const auto trace = TraceId::from_hex(name.starts_with("tr-") ? name.substr(3) : name);
  const auto id = SpanId::from_hex(link.span_id);
  if (!trace || !id) return;  // a link to nowhere
  std::string out;
  pbf_writer writer(out);
  writer.add_bytes(otlp::link::kTraceId, trace->raw().data(), TraceId::kSize);
  writer.add_bytes(otlp::link::kSpanId, id->raw().data(), SpanId::kSize);
  write_attributes(writer, otlp::link::kAttributes, link.attributes);
  span.add_bytes(otlp::span::kLinks, out);
}

std::string span_of(const StoredSpan& span, TextValues texts) {
  std::string out;
  pbf_writer writer(out);
  writer.add_bytes(otlp::span::kTraceId, span.trace_id.raw().data(), TraceId::kSize);
  writer.add_bytes(otlp::span::kSpanId, span.span_id.raw().data(), SpanId::kSize);
  if (span.parent_id)
    writer.add_bytes(otlp::span::kParentSpanId, span.parent_id->raw().data(), SpanId::kSize);
  writer.add_bytes(otlp::span::kName, span.name);
  writer.add_fixed64(otlp::span::kStart, span.start_ns);
  writer.add_fixed64(otlp::span::kEnd, span.end_ns);
  for (const JsonAttribute& a : span.attributes)
    writer.add_bytes(otlp::span::kAttributes, attribute_of(a, texts));
  for (const StoredEvent& event : span.events) write_event(writer, event);
  for (const StoredLink& link : span.links) write_link(writer, link);
  std::string status;
  pbf_writer status_writer(status);
  if (!span.status_message.empty()) status_writer.add_bytes(otlp::status::kMessage, span.status_message);
  status_writer.add_enum(otlp::status::kCode, static_cast<std::int32_t>(span.status));
  writer.add_bytes(otlp::span::kStatus, status);
  return out;
}

}  // namespace

std::string otlp_request_of(std::span<const StoredSpan> spans, TextValues texts) {
  std::string scope;
  pbf_writer scope_writer(scope);
  for (const StoredSpan& span : spans)
    scope_writer.add_bytes(otlp::scope_spans::kSpans, span_of(span, texts));
  std::string resource;
  pbf_writer(resource).add_bytes(otlp::resource_spans::kScopeSpans, scope);
  std::string out;
  pbf_writer(out).add_bytes(otlp::request::kResourceSpans, resource);
  return out;
}

}  // namespace spanferry::mlflow
