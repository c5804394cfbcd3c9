#include "model/otlp_check.hpp"

#include <fmt/format.h>

#include "model/otlp_fields.hpp"
#include "model/otlp_scan.hpp"
#include "model/utf8.hpp"

namespace spanferry::otlp {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;
constexpr auto kVarint = pbf_wire_type::varint;
constexpr auto kFixed64 = pbf_wire_type::fixed64;
constexpr auto kFixed32 = pbf_wire_type::fixed32;

bool text_sound(pbf_reader& reader) { return is_valid_utf8(take(reader)); }

bool check_list(std::string_view wire, bool of_pairs, int depth) {
  bool sound = true;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    if (reader.tag_and_type() == tag_and_type(list::kValues, kBytes)) {
      const std::string_view element = take(reader);
      sound &= of_pairs ? check_key_value(element, depth) : check_any_value(element, depth + 1);
    } else {
      skip_unknown(reader, of_pairs ? "KeyValueList" : "ArrayValue", list::kValues);
    }
  }
  return sound;
}

}  // namespace

void wrong_type(std::string_view message, protozero::pbf_tag_type tag) {
  throw Malformed(fmt::format("field {} of {} is of the wrong wire type", tag, message));
}

bool check_any_value(std::string_view wire, int depth) {
  if (depth > kMaxNestingDepth) {
    throw Malformed(fmt::format("attribute values nested deeper than {}", kMaxNestingDepth));
  }
  bool sound = true;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(any_value::kString, kBytes):
        sound &= text_sound(reader);
        break;
      case tag_and_type(any_value::kArray, kBytes):
        sound &= check_list(take(reader), false, depth);
        break;
      case tag_and_type(any_value::kKvlist, kBytes):
        sound &= check_list(take(reader), true, depth);
        break;
      case tag_and_type(any_value::kBool, kVarint):
      case tag_and_type(any_value::kInt, kVarint):
      case tag_and_type(any_value::kDouble, kFixed64):
      case tag_and_type(any_value::kBytes, kBytes):
        reader.skip();
        break;
      default:
        skip_unknown(reader, "AnyValue", any_value::kBytes);
    }
  }
  return sound;
}

bool check_key_value(std::string_view wire, int depth) {
  bool sound = true;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(key_value::kKey, kBytes):
        sound &= text_sound(reader);
        break;
      case tag_and_type(key_value::kValue, kBytes):
        sound &= check_any_value(take(reader), depth + 1);
        break;
      default:
        skip_unknown(reader, "KeyValue", key_value::kValue);
    }
  }
  return sound;
}

bool check_event(std::string_view wire) {
  bool sound = true;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(event::kTime, kFixed64):
        sound &= reader.get_fixed64() <= kMaxTimeNs;
        break;
      case tag_and_type(event::kName, kBytes):
        sound &= text_sound(reader);
        break;
      case tag_and_type(event::kAttributes, kBytes):
        sound &= check_key_value(take(reader));
        break;
      case tag_and_type(event::kDroppedAttributesCount, kVarint):
        reader.skip();
        break;
      default:
        skip_unknown(reader, "Span.Event", event::kDroppedAttributesCount);
    }
  }
  return sound;
}

bool check_link(std::string_view wire) {
  bool sound = true;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(link::kTraceState, kBytes):
        sound &= text_sound(reader);
        break;
      case tag_and_type(link::kAttributes, kBytes):
        sound &= check_key_value(take(reader));
        break;
      case tag_and_type(link::kTraceId, kBytes):
      case tag_and_type(link::kSpanId, kBytes):
      case tag_and_type(link::kDroppedAttributesCount, kVarint):
      case tag_and_type(link::kFlags, kFixed32):
        reader.skip();
        break;
      default:
        skip_unknown(reader, "Span.Link", link::kFlags);
    }
  }
  return sound && link_ids_sound(wire);
}

bool link_ids_sound(std::string_view wire) {
  std::size_t trace_bytes = 0;
  std::size_t span_bytes = 0;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(link::kTraceId, kBytes):
        trace_bytes = take(reader).size();
        break;
      case tag_and_type(link::kSpanId, kBytes):
        span_bytes = take(reader).size();
        break;
      default:
        reader.skip();
    }
  }
  return (trace_bytes == 0 || trace_bytes == TraceId::kSize) &&
         (span_bytes == 0 || span_bytes == SpanId::kSize);
}

bool check_status(std::string_view wire) {
  constexpr protozero::pbf_tag_type kDeprecatedCode = 1;  // written by SDKs before 1.0
  bool sound = true;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(status::kMessage, kBytes):
        sound &= text_sound(reader);
        break;
      case tag_and_type(status::kCode, kVarint):
      case tag_and_type(kDeprecatedCode, kVarint):
        reader.skip();
        break;
      default:
        skip_unknown(reader, "Status", status::kCode);
    }
  }
  return sound;
}

bool check_resource(std::string_view wire) {
  bool sound = true;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(resource::kAttributes, kBytes):
        sound &= check_key_value(take(reader));
        break;
      case tag_and_type(resource::kEntityRefs, kBytes):
        sound &= check_entity_ref(take(reader));
        break;
      case tag_and_type(resource::kDroppedAttributesCount, kVarint):
        reader.skip();
        break;
      default:
        skip_unknown(reader, "Resource", resource::kEntityRefs);
    }
  }
  return sound;
}

bool check_entity_ref(std::string_view wire) {
  bool sound = true;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(entity_ref::kSchemaUrl, kBytes):
      case tag_and_type(entity_ref::kType, kBytes):
      case tag_and_type(entity_ref::kIdKeys, kBytes):
      case tag_and_type(entity_ref::kDescriptionKeys, kBytes):
        sound &= text_sound(reader);
        break;
      default:
        skip_unknown(reader, "EntityRef", entity_ref::kDescriptionKeys);
    }
  }
  return sound;
}

bool check_scope(std::string_view wire) {
  bool sound = true;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(scope::kName, kBytes):
      case tag_and_type(scope::kVersion, kBytes):
        sound &= text_sound(reader);
        break;
      case tag_and_type(scope::kAttributes, kBytes):
        sound &= check_key_value(take(reader));
        break;
      case tag_and_type(scope::kDroppedAttributesCount, kVarint):
        reader.skip();
        break;
      default:
        skip_unknown(reader, "InstrumentationScope", scope::kDroppedAttributesCount);
    }
  }
  return sound;
}

SpanCheck check_span(std::string_view wire) {
  SpanCheck check;
  for (pbf_reader reader = reader_of(wire); advance(reader);) {
    switch (reader.tag_and_type()) {
      case tag_and_type(span::kAttributes, kBytes):
        check.texts_sound &= check_key_value(take(reader));
        break;
      case tag_and_type(span::kTraceId, kBytes):
        check.trace_id_wire = take(reader);
        break;
      case tag_and_type(span::kSpanId, kBytes):
        check.span_id = take(reader);
        break;
      case tag_and_type(span::kParentSpanId, kBytes):
        check.parent_id = take(reader);
        break;
      case tag_and_type(span::kTraceState, kBytes):
      case tag_and_type(span::kName, kBytes):
        check.texts_sound &= text_sound(reader);
        break;
      case tag_and_type(span::kStart, kFixed64):
        check.start_ns = reader.get_fixed64();
        break;
      case tag_and_type(span::kEnd, kFixed64):
        check.end_ns = reader.get_fixed64();
        break;
      case tag_and_type(span::kEvents, kBytes):
        check.texts_sound &= check_event(take(reader));
        break;
      case tag_and_type(span::kLinks, kBytes):
        check.texts_sound &= check_link(take(reader));
        break;
      case tag_and_type(span::kStatus, kBytes):
        check.texts_sound &= check_status(take(reader));
        break;
      case tag_and_type(span::kKind, kVarint):
      case tag_and_type(span::kDroppedAttributesCount, kVarint):
      case tag_and_type(span::kDroppedEventsCount, kVarint):
      case tag_and_type(span::kDroppedLinksCount, kVarint):
      case tag_and_type(span::kFlags, kFixed32):
        reader.skip();
        break;
      default:
        skip_unknown(reader, "Span", span::kFlags);
    }
  }
  if (const auto id = TraceId::from_raw(check.trace_id_wire)) check.trace_id = *id;
  return check;
}

bool SpanCheck::refused() const {
  const auto id = SpanId::from_raw(span_id);
  return trace_id.is_zero() || !id || id->is_zero();
}

std::string SpanCheck::refusal() const {
  const auto wrong = [](std::string_view what, std::string_view id, std::size_t bytes) {
    if (id.size() == bytes) return fmt::format("its {} id is all zero", what);
    return fmt::format("its {} id has {} bytes, not {}", what, id.size(), bytes);
  };
  if (trace_id.is_zero()) return wrong("trace", trace_id_wire, TraceId::kSize);
  return wrong("span", span_id, SpanId::kSize);
}

bool SpanCheck::parent_sound() const {
  if (parent_id.empty()) return true;
  const auto id = SpanId::from_raw(parent_id);
  return id && !id->is_zero();
}

}  // namespace spanferry::otlp
