#include "model/otlp_span.hpp"

#include <cmath>

#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "model/json_writer.hpp"
#include "model/otlp_fields.hpp"
#include "model/otlp_scan.hpp"

namespace spanferry {
namespace {

using protozero::data_view;
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

std::string_view view(pbf_reader& reader) {
  const data_view bytes = reader.get_view();
  return {bytes.data(), bytes.size()};
}

pbf_reader reader_of(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

Attribute read_attribute(std::string_view wire) {
  Attribute attribute;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::key_value::kKey, kBytes):
        attribute.key = view(reader);
        break;
      case tag_and_type(otlp::key_value::kValue, kBytes):
        attribute.value.wire = view(reader);
        break;
      default:
        reader.skip();
    }
  }
  return attribute;
}

AnyValue::Decoded decode_any_value(std::string_view wire) {
  AnyValue::Decoded decoded;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::any_value::kString, kBytes):
        decoded = view(reader);
        break;
      case tag_and_type(otlp::any_value::kBool, kVarint):
        decoded = reader.get_uint64() != 0;
        break;
      case tag_and_type(otlp::any_value::kInt, kVarint):
        decoded = reader.get_int64();
        break;
      case tag_and_type(otlp::any_value::kDouble, kFixed64):
        decoded = reader.get_double();
        break;
      case tag_and_type(otlp::any_value::kArray, kBytes):
        decoded = AnyValue::Array{view(reader)};
        break;
      case tag_and_type(otlp::any_value::kKvlist, kBytes):
        decoded = AnyValue::KvList{view(reader)};
        break;
      case tag_and_type(otlp::any_value::kBytes, kBytes):
        decoded = AnyValue::RawBytes{view(reader)};
        break;
      default:
        reader.skip();
    }
  }
  return decoded;
}

SpanEvent read_event(std::string_view wire) {
  SpanEvent event;
  for (pbf_reader reader = reader_of(wire); reader.next();) {
    switch (reader.tag_and_type()) {
      case tag_and_type(otlp::event::kTime, kFixed64):
        event.time_ns = reader.get_fixed64();
        break;
      case tag_and_type(otlp::event::kName, kBytes):
        event.name = view(reader);
        break;
      case tag_and_type(otlp::event::kAttributes, kBytes):
        event.attributes.push_back(read_attribute(view(reader)));
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
        link.trace_id = TraceId::from_raw(view(reader));
        break;
      case tag_and_type(otlp::link::kSpanId, kBytes):
        link.span_id = SpanId::from_raw(view(reader));
        break;
      case tag_and_type(otlp::link::kAttributes, kBytes):
        link.attributes.push_back(read_attribute(view(reader)));
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
        span.status_message = view(reader);
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
        if (const auto id = TraceId::from_raw(view(reader))) span.trace_id = *id, has_trace = true;
        break;
      case tag_and_type(otlp::span::kSpanId, kBytes):
        if (const auto id = SpanId::from_raw(view(reader))) span.span_id = *id, has_span = true;
        break;
      case tag_and_type(otlp::span::kParentSpanId, kBytes):
        span.parent_id = SpanId::from_raw(view(reader));
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
        span.trace_state = view(reader);
        break;
      case tag_and_type(otlp::span::kName, kBytes):
        span.name = view(reader);
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
        span.attributes.push_back(read_attribute(view(reader)));
        break;
      case tag_and_type(otlp::span::kEvents, kBytes):
        span.events.push_back(read_event(view(reader)));
        break;
      case tag_and_type(otlp::span::kLinks, kBytes):
        span.links.push_back(read_link(view(reader)));
        break;
      case tag_and_type(otlp::span::kStatus, kBytes):
        read_status(view(reader), span);
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
      name = view(reader);
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
      resource.attributes.push_back(read_attribute(view(reader)));
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
        scope_name = read_scope_name(view(reader));
        break;
      case tag_and_type(otlp::scope_spans::kSpans, kBytes): {
        const std::string_view bytes = view(reader);
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
        resource = view(reader);
        break;
      case tag_and_type(otlp::resource_spans::kScopeSpans, kBytes):
        read_scope_spans(view(reader), only, index, decoded.spans);
        break;
      default:
        reader.skip();
    }
  }
  decoded.resources.push_back(read_resource(resource));
}

void append_json_number(std::string& out, double number) {
  if (std::isnan(number)) {
    out += "\"NaN\"";
  } else if (std::isinf(number)) {
    out += number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    append_json_double(out, number);
  }
}

void append_json_at(std::string& out, const AnyValue& value, int depth);

void append_json_array(std::string& out, AnyValue::Array array, int depth) {
  out += '[';
  bool first = true;
  for (const AnyValue& element : elements(array)) {
    if (!first) out += ',';
    first = false;
    append_json_at(out, element, depth + 1);
  }
  out += ']';
}

void append_json_object(std::string& out, AnyValue::KvList list, int depth) {
  out += '{';
  bool first = true;
  for (const Attribute& entry : entries(list)) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, entry.key);
    out += ':';
    append_json_at(out, entry.value, depth + 1);
  }
  out += '}';
}

void append_json_at(std::string& out, const AnyValue& value, int depth) {
  // What the scan let in is never deeper; this is for bytes that did not come through it.
  if (depth > kMaxNestingDepth) {
    out += "null";
    return;
  }
  const AnyValue::Decoded decoded = value.decode();
  if (const auto* text = std::get_if<std::string_view>(&decoded)) {
    append_json_string(out, *text);
  } else if (const auto* truth = std::get_if<bool>(&decoded)) {
    out += *truth ? "true" : "false";
  } else if (const auto* integer = std::get_if<std::int64_t>(&decoded)) {
    out += std::to_string(*integer);
  } else if (const auto* number = std::get_if<double>(&decoded)) {
    append_json_number(out, *number);
  } else if (const auto* array = std::get_if<AnyValue::Array>(&decoded)) {
    append_json_array(out, *array, depth);
  } else if (const auto* list = std::get_if<AnyValue::KvList>(&decoded)) {
    append_json_object(out, *list, depth);
  } else if (const auto* raw = std::get_if<AnyValue::RawBytes>(&decoded)) {
    append_json_string(out, base64_encode(raw->bytes));
  } else {
    out += "null";
  }
}

}  // namespace

AnyValue::Decoded AnyValue::decode() const {
  try {
    return decode_any_value(wire);
  } catch (const protozero::exception&) {
    return std::monostate{};
  }
}

std::optional<std::string_view> AnyValue::string() const {
  const Decoded decoded = decode();
  const auto* text = std::get_if<std::string_view>(&decoded);
  return text != nullptr ? std::optional(*text) : std::nullopt;
}

std::vector<AnyValue> elements(AnyValue::Array array) {
  std::vector<AnyValue> values;
  try {
    for (pbf_reader reader = reader_of(array.wire); reader.next();) {
      if (reader.tag_and_type() == tag_and_type(otlp::list::kValues, kBytes)) {
        values.push_back({view(reader)});
      } else {
        reader.skip();
      }
    }
  } catch (const protozero::exception&) {
    values.clear();
  }
  return values;
}

Attributes entries(AnyValue::KvList list) {
  Attributes attributes;
  try {
    for (pbf_reader reader = reader_of(list.wire); reader.next();) {
      if (reader.tag_and_type() == tag_and_type(otlp::list::kValues, kBytes)) {
        attributes.push_back(read_attribute(view(reader)));
      } else {
        reader.skip();
      }
    }
  } catch (const protozero::exception&) {
    attributes.clear();
  }
  return attributes;
}

void append_json(std::string& out, const AnyValue& value) { append_json_at(out, value, 0); }

std::string to_json(const AnyValue& value) {
  std::string out;
  append_json(out, value);
  return out;
}

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
        read_resource_spans(view(reader), only, decoded);
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
