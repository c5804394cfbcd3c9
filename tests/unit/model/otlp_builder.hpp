// Writes OTLP messages for tests, wrong ones as easily as right ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <protozero/pbf_writer.hpp>

#include "model/otlp_fields.hpp"

namespace spanferry::testing {

inline const std::string kTrace = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10";
inline const std::string kSpan = "\x11\x12\x13\x14\x15\x16\x17\x18";
inline const std::string kInvalidUtf8 = "a\xff\xfe z";
inline const std::string kRepairedUtf8 = "a\xef\xbf\xbd\xef\xbf\xbd z";

// A message under construction: each call appends a field.
struct Message {
  std::string wire;

  Message& bytes(protozero::pbf_tag_type tag, std::string_view value) {
    protozero::pbf_writer(wire).add_bytes(tag, value.data(), value.size());
    return *this;
  }
  Message& message(protozero::pbf_tag_type tag, const Message& value) { return bytes(tag, value.wire); }
  Message& fixed64(protozero::pbf_tag_type tag, std::uint64_t value) {
    protozero::pbf_writer(wire).add_fixed64(tag, value);
    return *this;
  }
  Message& fixed32(protozero::pbf_tag_type tag, std::uint32_t value) {
    protozero::pbf_writer(wire).add_fixed32(tag, value);
    return *this;
  }
  Message& varint(protozero::pbf_tag_type tag, std::uint64_t value) {
    protozero::pbf_writer(wire).add_uint64(tag, value);
    return *this;
  }
};

inline Message text(std::string_view value) { return Message().bytes(otlp::any_value::kString, value); }
inline Message integer(std::int64_t value) {
  return Message().varint(otlp::any_value::kInt, static_cast<std::uint64_t>(value));
}
inline Message attribute(std::string_view key, const Message& value) {
  return Message().bytes(otlp::key_value::kKey, key).message(otlp::key_value::kValue, value);
}
inline Message array(std::initializer_list<Message> values) {
  Message list;
  for (const Message& value : values) list.message(otlp::list::kValues, value);
  return Message().message(otlp::any_value::kArray, list);
}
inline Message object(std::initializer_list<Message> pairs) {
  Message list;
  for (const Message& pair : pairs) list.message(otlp::list::kValues, pair);
  return Message().message(otlp::any_value::kKvlist, list);
}

inline Message span(std::string_view trace_id = kTrace, std::string_view span_id = kSpan,
                    std::string_view name = "chat") {
  return Message()
      .bytes(otlp::span::kTraceId, trace_id)
      .bytes(otlp::span::kSpanId, span_id)
      .bytes(otlp::span::kName, name)
      .fixed64(otlp::span::kStart, 1000)
      .fixed64(otlp::span::kEnd, 2000);
}

inline Message scope_spans(std::initializer_list<Message> spans) {
  Message message;
  message.message(otlp::scope_spans::kScope, Message().bytes(otlp::scope::kName, "test scope"));
  for (const Message& one : spans) message.message(otlp::scope_spans::kSpans, one);
  return message;
}

inline Message resource(std::string_view service) {
  return Message().message(otlp::resource::kAttributes, attribute("service.name", text(service)));
}

inline Message resource_spans(std::string_view service, std::initializer_list<Message> spans) {
  return Message()
      .message(otlp::resource_spans::kResource, resource(service))
      .message(otlp::resource_spans::kScopeSpans, scope_spans(spans));
}

inline std::string request(std::initializer_list<Message> groups) {
  Message message;
  for (const Message& group : groups) message.message(otlp::request::kResourceSpans, group);
  return message.wire;
}

inline std::string request_of(std::initializer_list<Message> spans) {
  return request({resource_spans("svc", spans)});
}

// The i-th of a row of distinct ids.
inline std::string trace_number(std::uint32_t i) {
  std::string id = kTrace;
  for (std::size_t b = 0; b < 4; ++b) id[b] = static_cast<char>(i >> (8 * b) & 0xff);
  return id;
}

}  // namespace spanferry::testing
