#include "model/otlp_span.hpp"

#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "model/otlp_attribute.hpp"
#include "model/otlp_check.hpp"
#include "model/otlp_fields.hpp"

namespace spanferry {
namespace {

using otlp::reader_of;
using otlp::take;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;
constexpr auto kVarint = pbf_wire_type::varint;
constexpr auto kFixed64 = pbf_wire_type::fixed64;
constexpr auto kFixed32 = pbf_wire_type::fixed32;

// trace.proto, SpanFlags: whether the parent's being remote is known, and whether it is.
constexpr std::uint32_t kHasIsRemote = 0x100;
constexpr std::uint32_t kIsRemote = 0x200;

SpanEvent read_event(std::string_view wire) {
  SpanEvent event;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::event::kTime, kFixed64):
        event.time_ns = reader.get_fixed64();
        break;
      case tag_and_type(otlp::event::kName, kBytes):
        event.name = take(reader);
        break;
      case tag_and_type(otlp::event::kAttributes, kBytes):
        event.attributes.push_back(otlp::read_attribute(take(reader)));
        break;
      default:
        reader.skip();
    }
  }
  return event;
}

SpanLink read_link(std::string_view wire) {
  SpanLink link;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::link::kTraceId, kBytes):
        link.trace_id = TraceId::from_raw(take(reader));
        break;
      case tag_and_type(otlp::link::kSpanId, kBytes):
        link.span_id = SpanId::from_raw(take(reader));
        break;
      case tag_and_type(otlp::link::kAttributes, kBytes):
        link.attributes.push_back(otlp::read_attribute(take(reader)));
        break;
      default:
        reader.skip();
    }
  }
  return link;
}

void read_status(std::string_view wire, Span& span) {
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::status::kMessage, kBytes):
        span.status_message = take(reader);
        break;
      case tag_and_type(otlp::status::kCode, kVarint): {
        const std::int32_t code = reader.get_enum();
        span.status = code == 1 ? StatusCode::ok : code == 2 ? StatusCode::error : StatusCode::unset;
        break;
      }
      default:
        reader.skip();
    }
  }
}

bool read_ids(std::string_view wire, Span& span) {
  bool has_trace = false;
  bool has_span = false;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::span::kTraceId, kBytes):
        if (const auto id = TraceId::from_raw(take(reader))) span.trace_id = *id, has_trace = true;
        break;
      case tag_and_type(otlp::span::kSpanId, kBytes):
        if (const auto id = SpanId::from_raw(take(reader))) span.span_id = *id, has_span = true;
        break;
      case tag_and_type(otlp::span::kParentSpanId, kBytes):
        span.parent_id = SpanId::from_raw(take(reader));
        if (span.parent_id && span.parent_id->is_zero()) span.parent_id.reset();
        break;
      default:
        reader.skip();
    }
  }
  return has_trace && has_span;
}

void read_rest(std::string_view wire, Span& span) {
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::span::kTraceState, kBytes):
        span.trace_state = take(reader);
        break;
      case tag_and_type(otlp::span::kName, kBytes):
        span.name = take(reader);
        break;
      case tag_and_type(otlp::span::kKind, kVarint):
        span.kind = reader.get_enum();
        break;
      case tag_and_type(otlp::span::kStart, kFixed64):
        span.start_ns = reader.get_fixed64();
        break;
      case tag_and_type(otlp::span::kEnd, kFixed64):
        span.end_ns = reader.get_fixed64();
        break;
      case tag_and_type(otlp::span::kAttributes, kBytes):
        span.attributes.push_back(otlp::read_attribute(take(reader)));
        break;
      case tag_and_type(otlp::span::kEvents, kBytes):
        span.events.push_back(read_event(take(reader)));
        break;
      case tag_and_type(otlp::span::kLinks, kBytes):
        span.links.push_back(read_link(take(reader)));
        break;
      case tag_and_type(otlp::span::kStatus, kBytes):
        read_status(take(reader), span);
        break;
      case tag_and_type(otlp::span::kFlags, kFixed32): {
        constexpr std::uint32_t remote = kHasIsRemote | kIsRemote;
        span.parent_is_remote = (reader.get_fixed32() & remote) == remote;
        break;
      }
      default:
        reader.skip();
    }
  }
}

std::string_view read_scope_name(std::string_view wire) {
  std::string_view name;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    if (reader.tag_and_type() == tag_and_type(otlp::scope::kName, kBytes)) {
      name = take(reader);
    } else {
      reader.skip();
    }
  }
  return name;
}

Resource read_resource(std::string_view wire) {
  Resource resource;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    if (reader.tag_and_type() == tag_and_type(otlp::resource::kAttributes, kBytes)) {
      resource.attributes.push_back(otlp::read_attribute(take(reader)));
    } else {
      reader.skip();
    }
  }
  return resource;
}

void read_scope_spans(std::string_view wire, const TraceId* only, std::uint32_t resource,
                      std::vector<Span>& spans) {
  const std::size_t first = spans.size();
  std::string_view scope_name;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::scope_spans::kScope, kBytes):
        scope_name = read_scope_name(take(reader));
        break;
      case tag_and_type(otlp::scope_spans::kSpans, kBytes): {
        const std::string_view bytes = take(reader);
        Span span;
        // Ids first: most spans of a shared record are of no interest to who asks for one trace.
        const bool has_ids = read_ids(bytes, span);
        if (only != nullptr && (!has_ids || span.trace_id != *only)) break;
        span.resource = resource;
        read_rest(bytes, span);
        spans.push_back(std::move(span));
        break;
      }
      default:
        reader.skip();
    }
  }
  // A scope may stand behind its spans on the wire.
  for (std::size_t i = first; i < spans.size(); ++i) spans[i].scope_name = scope_name;
}

void read_resource_spans(std::string_view wire, const TraceId* only, DecodedRequest& decoded) {
  std::string_view resource;
  const auto index = static_cast<std::uint32_t>(decoded.resources.size());
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::resource_spans::kResource, kBytes):
        resource = take(reader);
        break;
      case tag_and_type(otlp::resource_spans::kScopeSpans, kBytes):
        read_scope_spans(take(reader), only, index, decoded.spans);
        break;
      default:
        reader.skip();
    }
  }
  decoded.resources.push_back(read_resource(resource));
}

}  // namespace

const Attribute* find(const Attributes& attributes, std::string_view key) {
  for (const Attribute& attribute : attributes) {
    if (attribute.key == key) return &attribute;
  }
  return nullptr;
}

Result<DecodedRequest> decode_traces_request(std::string_view request, const TraceId* only) {
  try {
    DecodedRequest decoded;
    for (pbf_reader reader = reader_of(request); reader.next();) {
      if (reader.tag_and_type() == tag_and_type(otlp::request::kResourceSpans, kBytes)) {
        read_resource_spans(take(reader), only, decoded);
      } else {
        reader.skip();
      }
    }
    return decoded;
  } catch (const protozero::exception& e) {
    return fail(ErrorKind::invalid_input, std::string("not an OTLP traces request: ") + e.what());
  }
}

}  // namespace spanferry
