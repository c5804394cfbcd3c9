// The spans of a trace as rows of a Unity Catalog table.
#include <unordered_map>

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "model/json_text.hpp"
#include "model/mlflow_table.hpp"
#include "model/otlp_attribute.hpp"
#include "model/otlp_check.hpp"
#include "model/otlp_fields.hpp"
#include "model/otlp_scan.hpp"
#include "model/otlp_value.hpp"

namespace spanferry::mlflow {
namespace {

using otlp::reader_of;
using otlp::take;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;
constexpr std::string_view kOwnPrefix = "mlflow.";

struct Ids {
  TraceId trace;
  SpanId span;
};

Ids ids_of(std::string_view wire) {
  Ids ids;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::span::kTraceId, kBytes):
        ids.trace = TraceId::from_raw(take(reader)).value_or(TraceId{});
        break;
      case tag_and_type(otlp::span::kSpanId, kBytes):
        ids.span = SpanId::from_raw(take(reader)).value_or(SpanId{});
        break;
      default:
        reader.skip();
    }
  }
  return ids;
}

// All fields but the attributes that MLflow gives a meaning.
void copy_but_own(std::string_view wire, std::string& out) {
  const char* at = wire.data();
  for (pbf_reader reader = reader_of(wire); reader.next(); at = reader.data().data()) {
    if (reader.tag_and_type() == tag_and_type(otlp::span::kAttributes, kBytes)) {
      if (otlp::read_attribute(take(reader)).key.starts_with(kOwnPrefix)) continue;
    } else {
      reader.skip();
    }
    out.append(at, reader.data().data());
  }
}

void add_attribute(std::string_view key, std::string_view json, std::string& out) {
  protozero::pbf_writer(out).add_bytes(otlp::span::kAttributes, key_value_of(key, json));
}

}  // namespace

StoredSpan span_of_row(const Span& span) {
  std::unordered_map<std::string_view, const AnyValue*> came;  // of a key that is there twice the last one
  for (const Attribute& a : span.attributes)
    if (!a.key.starts_with(kOwnPrefix)) came.insert_or_assign(a.key, &a.value);
  StoredSpan out = stored_span(span);
  for (JsonAttribute& stored : out.attributes) {
    const auto found = came.find(stored.key);
    if (found == came.end()) continue;
    if (const auto text = found->second->string()) stored.json = quoted_json(*text);
  }
  return out;
}

TableSpans::TableSpans(const Trace& trace, const Metadata& metadata, const TableLocation& location)
    : trace_(trace), metadata_(metadata), name_('"' + trace_name_in(location, trace.id) + '"') {
  spans_.reserve(trace.spans.size());
  for (const StoredSpan& span : trace.spans) spans_.emplace(span.span_id, &span);
}

std::string TableSpans::write(std::string_view request,
                              const std::function<bool(const SpanId&)>& keep) const {
  return map_traces_request(request, [&](std::string_view wire, std::string& out) {
    const Ids ids = ids_of(wire);
    if (ids.trace != trace_.id || !keep(ids.span)) return false;
    const auto stored = spans_.find(ids.span);
    if (stored == spans_.end()) return false;
    copy_but_own(wire, out);
    write_attributes(*stored->second, out);
    return true;
  });
}

void TableSpans::write_attributes(const StoredSpan& span, std::string& out) const {
  for (const JsonAttribute& a : span.attributes) {
    if (a.key.starts_with(kOwnPrefix))
      add_attribute(a.key, a.key == attribute::kRequestId ? name_ : a.json, out);
  }
  if (span.parent_id) return;
  // As MLflow's own client copies them, for those who look at the table alone.
  for (const auto& [of_trace, of_span] :
       {std::pair("mlflow.trace.session", "session.id"), std::pair("mlflow.trace.user", "user.id")}) {
    const auto told = metadata_.find(of_trace);
    if (told == metadata_.end() || span.find(of_span) != nullptr) continue;
    add_attribute(of_span, quoted_json(told->second), out);
  }
}

}  // namespace spanferry::mlflow
