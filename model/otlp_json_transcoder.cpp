#include "model/otlp_json_transcoder.hpp"

#include <limits>

#include <fmt/format.h>

#include "model/ids.hpp"
#include "model/otlp_json_numbers.hpp"
#include "model/status_code.hpp"

namespace spanferry::otlp {
namespace {

struct Field {
  std::string_view camel;
  std::string_view snake;
  Tag tag;
};

constexpr Field kRequestFields[] = {{"resourceSpans", "resource_spans", request::kResourceSpans}};
constexpr Field kResourceSpansFields[] = {{"resource", "resource", resource_spans::kResource},
                                          {"scopeSpans", "scope_spans", resource_spans::kScopeSpans},
                                          {"schemaUrl", "schema_url", resource_spans::kSchemaUrl}};
constexpr Field kScopeSpansFields[] = {{"scope", "scope", scope_spans::kScope},
                                       {"spans", "spans", scope_spans::kSpans},
                                       {"schemaUrl", "schema_url", scope_spans::kSchemaUrl}};
constexpr Field kResourceFields[] = {
    {"attributes", "attributes", resource::kAttributes},
    {"droppedAttributesCount", "dropped_attributes_count", resource::kDroppedAttributesCount},
    {"entityRefs", "entity_refs", resource::kEntityRefs}};
constexpr Field kEntityRefFields[] = {{"schemaUrl", "schema_url", entity_ref::kSchemaUrl},
                                      {"type", "type", entity_ref::kType},
                                      {"idKeys", "id_keys", entity_ref::kIdKeys},
                                      {"descriptionKeys", "description_keys", entity_ref::kDescriptionKeys}};
constexpr Field kScopeFields[] = {
    {"name", "name", scope::kName},
    {"version", "version", scope::kVersion},
    {"attributes", "attributes", scope::kAttributes},
    {"droppedAttributesCount", "dropped_attributes_count", scope::kDroppedAttributesCount}};
constexpr Field kSpanFields[] = {
    {"traceId", "trace_id", span::kTraceId},
    {"spanId", "span_id", span::kSpanId},
    {"traceState", "trace_state", span::kTraceState},
    {"parentSpanId", "parent_span_id", span::kParentSpanId},
    {"name", "name", span::kName},
    {"kind", "kind", span::kKind},
    {"startTimeUnixNano", "start_time_unix_nano", span::kStart},
    {"endTimeUnixNano", "end_time_unix_nano", span::kEnd},
    {"attributes", "attributes", span::kAttributes},
    {"droppedAttributesCount", "dropped_attributes_count", span::kDroppedAttributesCount},
    {"events", "events", span::kEvents},
    {"droppedEventsCount", "dropped_events_count", span::kDroppedEventsCount},
    {"links", "links", span::kLinks},
    {"droppedLinksCount", "dropped_links_count", span::kDroppedLinksCount},
    {"status", "status", span::kStatus},
    {"flags", "flags", span::kFlags}};
constexpr Field kEventFields[] = {
    {"timeUnixNano", "time_unix_nano", event::kTime},
    {"name", "name", event::kName},
    {"attributes", "attributes", event::kAttributes},
    {"droppedAttributesCount", "dropped_attributes_count", event::kDroppedAttributesCount}};
constexpr Field kLinkFields[] = {
    {"traceId", "trace_id", link::kTraceId},
    {"spanId", "span_id", link::kSpanId},
    {"traceState", "trace_state", link::kTraceState},
    {"attributes", "attributes", link::kAttributes},
    {"droppedAttributesCount", "dropped_attributes_count", link::kDroppedAttributesCount},
    {"flags", "flags", link::kFlags}};
constexpr Field kStatusFields[] = {{"message", "message", status::kMessage}, {"code", "code", status::kCode}};
constexpr Field kKeyValueFields[] = {{"key", "key", key_value::kKey}, {"value", "value", key_value::kValue}};
constexpr Field kAnyValueFields[] = {
    {"stringValue", "string_value", any_value::kString}, {"boolValue", "bool_value", any_value::kBool},
    {"intValue", "int_value", any_value::kInt},          {"doubleValue", "double_value", any_value::kDouble},
    {"arrayValue", "array_value", any_value::kArray},    {"kvlistValue", "kvlist_value", any_value::kKvlist},
    {"bytesValue", "bytes_value", any_value::kBytes}};
constexpr Field kListFields[] = {{"values", "values", list::kValues}};

// Enum names in the order of their numbers.
constexpr std::string_view kSpanKinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                           "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                           "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};

// 0: not a field of that message.
template <class Table>
Tag tag_of(const Table& table, std::string_view name) {
  for (const Field& field : table) {
    if (name == field.camel || name == field.snake) return field.tag;
  }
  return 0;
}

}  // namespace

bool is_request_field(std::string_view name) { return tag_of(kRequestFields, name) != 0; }
bool is_span_field(std::string_view name) { return tag_of(kSpanFields, name) != 0; }

struct JsonTranscoder::Step {
  JsonTranscoder& transcoder;
  Step(JsonTranscoder& t, Place place) : transcoder(t) { transcoder.path_.push_back(place); }
  ~Step() { transcoder.path_.pop_back(); }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
};

void JsonTranscoder::refuse(std::string_view why) const {
  std::string sentence;
  for (const Place& place : path_) {
    if (place.key.empty()) {
      sentence += fmt::format("[{}]", place.index);
    } else {
      if (!sentence.empty()) sentence += '.';
      sentence += place.key;
    }
  }
  if (!sentence.empty()) sentence += ": ";
  sentence += why;
  throw Refused(std::move(sentence));
}

template <class Table, class OnField>
void JsonTranscoder::fields(Element element, const Table& table, OnField on_field) {
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS) refuse("must be an object");
  for (const auto& [key, value] : object) {
    const Tag tag = tag_of(table, key);
    if (tag == 0 || value.is_null()) continue;
    const Step step(*this, {.key = key});
    on_field(tag, value);
  }
}

template <class Write>
void JsonTranscoder::repeated(Element element, Writer& out, Tag tag, Write write) {
  simdjson::dom::array array;
  if (element.get(array) != simdjson::SUCCESS) refuse("must be an array");
  std::size_t index = 0;
  for (const Element item : array) {
    const Step step(*this, {.key = {}, .index = index++});
    nested(out, tag, [&](Writer& child) { write(item, child); });
  }
}

void JsonTranscoder::request(Element element, Writer& out) {
  fields(element, kRequestFields, [&](Tag tag, Element value) {
    repeated(value, out, tag, [this](Element item, Writer& child) { resource_spans(item, child); });
  });
}

void JsonTranscoder::resource_spans(Element element, Writer& out) {
  fields(element, kResourceSpansFields, [&](Tag tag, Element value) {
    switch (tag) {
      case resource_spans::kResource:
        return nested(out, tag, [&](Writer& child) { resource(value, child); });
      case resource_spans::kScopeSpans:
        return repeated(value, out, tag, [this](Element item, Writer& child) { scope_spans(item, child); });
      default:
        return add_text(value, out, tag);
    }
  });
}

void JsonTranscoder::scope_spans(Element element, Writer& out) {
  fields(element, kScopeSpansFields, [&](Tag tag, Element value) {
    switch (tag) {
      case scope_spans::kScope:
        return nested(out, tag, [&](Writer& child) { scope(value, child); });
      case scope_spans::kSpans:
        return repeated(value, out, tag, [this](Element item, Writer& child) { span(item, child); });
      default:
        return add_text(value, out, tag);
    }
  });
}

void JsonTranscoder::resource(Element element, Writer& out) {
  fields(element, kResourceFields, [&](Tag tag, Element value) {
    switch (tag) {
      case resource::kAttributes:
        return attributes(value, out, tag);
      case resource::kEntityRefs:
        return repeated(value, out, tag, [this](Element item, Writer& child) { entity_ref(item, child); });
      default:
        return out.add_uint32(tag, uint32(value));
    }
  });
}

void JsonTranscoder::entity_ref(Element element, Writer& out) {
  fields(element, kEntityRefFields, [&](Tag tag, Element value) {
    const bool is_list = tag == entity_ref::kIdKeys || tag == entity_ref::kDescriptionKeys;
    return is_list ? texts(value, out, tag) : add_text(value, out, tag);
  });
}

void JsonTranscoder::scope(Element element, Writer& out) {
  fields(element, kScopeFields, [&](Tag tag, Element value) {
    switch (tag) {
      case scope::kAttributes:
        return attributes(value, out, tag);
      case scope::kDroppedAttributesCount:
        return out.add_uint32(tag, uint32(value));
      default:
        return add_text(value, out, tag);
    }
  });
}

SpanSeen JsonTranscoder::span(Element element, Writer& out) {
  SpanSeen seen;
  fields(element, kSpanFields, [&](Tag tag, Element value) {
    switch (tag) {
      case span::kTraceId:
      case span::kSpanId:
      case span::kParentSpanId: {
        const std::string raw = id(value);
        if (raw.empty()) return;
        if (tag == span::kTraceId) seen.trace_id = true;
        if (tag == span::kSpanId) seen.span_id = true;
        return out.add_bytes(tag, raw);
      }
      case span::kKind:
        return out.add_enum(tag, enumeration(value, kSpanKinds));
      case span::kStart:
        return out.add_fixed64(tag, seen.start_ns = uint64(value));
      case span::kEnd:
        return out.add_fixed64(tag, seen.end_ns = uint64(value));
      case span::kAttributes:
        return attributes(value, out, tag);
      case span::kEvents:
        return repeated(value, out, tag, [this](Element item, Writer& child) { event(item, child); });
      case span::kLinks:
        return repeated(value, out, tag, [this](Element item, Writer& child) { link(item, child); });
      case span::kStatus:
        return nested(out, tag, [&](Writer& child) { status(value, child); });
      case span::kDroppedAttributesCount:
      case span::kDroppedEventsCount:
      case span::kDroppedLinksCount:
        return out.add_uint32(tag, uint32(value));
      case span::kFlags:
        return out.add_fixed32(tag, uint32(value));
      default:
        return add_text(value, out, tag);
    }
  });
  return seen;
}

void JsonTranscoder::event(Element element, Writer& out) {
  fields(element, kEventFields, [&](Tag tag, Element value) {
    switch (tag) {
      case event::kTime:
        return out.add_fixed64(tag, uint64(value));
      case event::kAttributes:
        return attributes(value, out, tag);
      case event::kDroppedAttributesCount:
        return out.add_uint32(tag, uint32(value));
      default:
        return add_text(value, out, tag);
    }
  });
}

void JsonTranscoder::link(Element element, Writer& out) {
  fields(element, kLinkFields, [&](Tag tag, Element value) {
    switch (tag) {
      case link::kTraceId:
      case link::kSpanId:
        return out.add_bytes(tag, id(value));
      case link::kAttributes:
        return attributes(value, out, tag);
      case link::kDroppedAttributesCount:
        return out.add_uint32(tag, uint32(value));
      case link::kFlags:
        return out.add_fixed32(tag, uint32(value));
      default:
        return add_text(value, out, tag);
    }
  });
}

void JsonTranscoder::status(Element element, Writer& out) {
  fields(element, kStatusFields, [&](Tag tag, Element value) {
    if (tag == status::kMessage) return add_text(value, out, tag);
    return out.add_enum(tag, enumeration(value, kStatusCodeNames));
  });
}

void JsonTranscoder::attributes(Element element, Writer& out, Tag tag) {
  repeated(element, out, tag, [this](Element item, Writer& child) { key_value(item, child); });
}

void JsonTranscoder::texts(Element element, Writer& out, Tag tag) {
  simdjson::dom::array array;
  if (element.get(array) != simdjson::SUCCESS) refuse("must be an array");
  std::size_t index = 0;
  for (const Element item : array) {
    const Step step(*this, {.key = {}, .index = index++});
    add_text(item, out, tag);
  }
}

void JsonTranscoder::key_value(Element element, Writer& out) {
  fields(element, kKeyValueFields, [&](Tag tag, Element value) {
    if (tag == key_value::kKey) return add_text(value, out, tag);
    nested(out, tag, [&](Writer& child) { any_value(value, child); });
  });
}

void JsonTranscoder::any_value(Element element, Writer& out) {
  if (element.is_null()) return;  // as an element of an array: no value
  const auto list_of = [this](auto write) {
    return [this, write](Element list_element, Writer& child) {
      fields(list_element, kListFields,
             [&](Tag tag, Element values) { repeated(values, child, tag, write); });
    };
  };
  fields(element, kAnyValueFields, [&](Tag tag, Element value) {
    switch (tag) {
      case any_value::kBool:
        return out.add_bool(tag, boolean(value));
      case any_value::kInt:
        return out.add_int64(tag, int64(value));
      case any_value::kDouble:
        return out.add_double(tag, number(value));
      case any_value::kArray:
        return nested(out, tag, [&](Writer& child) {
          list_of([this](Element item, Writer& w) { any_value(item, w); })(value, child);
        });
      case any_value::kKvlist:
        return nested(out, tag, [&](Writer& child) {
          list_of([this](Element item, Writer& w) { key_value(item, w); })(value, child);
        });
      case any_value::kBytes: {
        const auto raw = base64_decode(text(value));
        if (!raw) refuse("must be base64");
        return out.add_bytes(tag, *raw);
      }
      default:
        return add_text(value, out, tag);
    }
  });
}

std::string_view JsonTranscoder::text(Element element) const {
  std::string_view value;
  if (element.get(value) != simdjson::SUCCESS) refuse("must be a string");
  return value;
}

void JsonTranscoder::add_text(Element element, Writer& out, Tag tag) const {
  const std::string_view value = text(element);
  out.add_string(tag, value.data(), value.size());
}

std::string JsonTranscoder::id(Element element) const {
  auto raw = hex_decode(text(element));
  if (!raw) refuse("must be an id in hex digits (OTLP/JSON does not take base64 here)");
  return std::move(*raw);
}

std::int64_t JsonTranscoder::int64(Element element) const {
  const auto value = json_int64(element);
  if (!value) refuse("must be an integer of 64 bits, as a number or a string");
  return *value;
}

std::uint64_t JsonTranscoder::uint64(Element element) const {
  const auto value = json_uint64(element);
  if (!value) refuse("must be an unsigned integer of 64 bits, as a number or a string");
  return *value;
}

std::uint32_t JsonTranscoder::uint32(Element element) const {
  const auto value = json_uint64(element);
  if (!value || *value > std::numeric_limits<std::uint32_t>::max()) {
    refuse("must be an unsigned integer of 32 bits, as a number or a string");
  }
  return static_cast<std::uint32_t>(*value);
}

double JsonTranscoder::number(Element element) const {
  const auto value = json_double(element);
  if (!value) refuse("must be a number, or NaN, Infinity or -Infinity as a string");
  return *value;
}

bool JsonTranscoder::boolean(Element element) const {
  bool value = false;
  if (element.get(value) != simdjson::SUCCESS) refuse("must be true or false");
  return value;
}

template <class Names>
std::int32_t JsonTranscoder::enumeration(Element element, const Names& names) const {
  std::string_view name;
  if (element.get(name) == simdjson::SUCCESS) {
    for (std::size_t i = 0; i < std::size(names); ++i) {
      if (names[i] == name) return static_cast<std::int32_t>(i);
    }
  }
  const auto value = json_int64(element);
  if (!value || *value < std::numeric_limits<std::int32_t>::min() ||
      *value > std::numeric_limits<std::int32_t>::max()) {
    refuse("must be a number or one of the names of its enum");
  }
  return static_cast<std::int32_t>(*value);
}

}  // namespace spanferry::otlp
