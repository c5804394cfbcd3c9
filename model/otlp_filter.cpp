// Taking a request apart without decoding it: one resource attribute, some of the spans.
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "model/otlp_attribute.hpp"
#include "model/otlp_check.hpp"
#include "model/otlp_fields.hpp"
#include "model/otlp_scan.hpp"
#include "model/otlp_span.hpp"

namespace spanferry {
namespace {

using otlp::reader_of;
using otlp::take;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;

using Keep = std::function<bool(const TraceId&, const SpanId&)>;

bool keeps(std::string_view span, const Keep& keep) {
  TraceId trace_id;
  SpanId span_id;
  for (pbf_reader reader = reader_of(span); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::span::kTraceId, kBytes):
        trace_id = TraceId::from_raw(take(reader)).value_or(TraceId{});
        break;
      case tag_and_type(otlp::span::kSpanId, kBytes):
        span_id = SpanId::from_raw(take(reader)).value_or(SpanId{});
        break;
      default:
        reader.skip();
    }
  }
  return keep(trace_id, span_id);
}

// Copies the fields of a message to `out`, those of number `tag` only where `write(bytes, out)` returns true:
// what it wrote then becomes the field's bytes. Returns whether there was such a field.
template <class Write>
bool copy_fields(std::string_view wire, std::string& out, otlp::Tag tag, Write write) {
  bool any = false;
  const char* at = wire.data();
  for (pbf_reader reader = reader_of(wire); reader.next(); at = reader.data().data()) {
    if (reader.tag_and_type() != tag_and_type(tag, kBytes)) {
      reader.skip();
      out.append(at, reader.data().data());
      continue;
    }
    std::string inner;
    if (!write(take(reader), inner)) continue;
    any = true;
    protozero::pbf_writer(out).add_bytes(tag, inner);
  }
  return any;
}

}  // namespace

std::string map_traces_request(std::string_view request, const SpanWriter& write) {
  const auto scope = [&write](std::string_view wire, std::string& out) {
    return copy_fields(wire, out, otlp::scope_spans::kSpans, write);
  };
  const auto resource = [&scope](std::string_view wire, std::string& out) {
    return copy_fields(wire, out, otlp::resource_spans::kScopeSpans, scope);
  };
  try {
    std::string out;
    if (!copy_fields(request, out, otlp::request::kResourceSpans, resource)) out.clear();
    return out;
  } catch (const protozero::exception&) {
    return {};  // not a request that was scanned
  }
}

std::string filter_traces_request(std::string_view request, const Keep& keep) {
  return map_traces_request(request, [&keep](std::string_view wire, std::string& out) {
    if (!keeps(wire, keep)) return false;
    out = wire;
    return true;
  });
}

std::optional<std::string_view> resource_string_attribute(std::string_view resource, std::string_view key) {
  try {
    for (pbf_reader reader = reader_of(resource); reader.next();) {
      if (reader.tag_and_type() != tag_and_type(otlp::resource::kAttributes, kBytes)) {
        reader.skip();
        continue;
      }
      const Attribute attribute = otlp::read_attribute(take(reader));
      if (attribute.key == key) return attribute.value.string();
    }
  } catch (const protozero::exception&) {
    // A malformed resource has no attributes.
  }
  return std::nullopt;
}

}  // namespace spanferry
