// Spans decoded from the wire, for those who must look inside: the assembler, encoders and the local view.
// Everything is a view into the request's bytes, which the caller keeps alive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/ids.hpp"
#include "model/result.hpp"

namespace spanferry {

// The bytes of an opentelemetry.proto.common.v1.AnyValue.
struct AnyValue {
  std::string_view wire;

  struct Array {
    std::string_view wire;
  };  // ArrayValue message
  struct KvList {
    std::string_view wire;
  };  // KeyValueList message
  struct RawBytes {
    std::string_view bytes;
  };
  using Decoded =
      std::variant<std::monostate, std::string_view, bool, std::int64_t, double, Array, KvList, RawBytes>;
  // The value one level down; std::monostate when the message is empty or malformed.
  [[nodiscard]] Decoded decode() const;
  // The text, when this is a string.
  [[nodiscard]] std::optional<std::string_view> string() const;
};

struct Attribute {
  std::string_view key;
  AnyValue value;
};
using Attributes = std::vector<Attribute>;

// The elements of a list value; empty when malformed.
std::vector<AnyValue> elements(AnyValue::Array array);
Attributes entries(AnyValue::KvList list);

// Appends the value as JSON: kvlist → object, array → array, bytes → base64 string, NaN and infinities →
// strings "NaN", "Infinity", "-Infinity" (MLflow writes bare NaN, which is not JSON), no value → null.
void append_json(std::string& out, const AnyValue& value);
std::string to_json(const AnyValue& value);

// The first attribute of that key, or null.
const Attribute* find(const Attributes& attributes, std::string_view key);

enum class StatusCode : std::uint8_t { unset = 0, ok = 1, error = 2 };

struct SpanEvent {
  std::string_view name;
  std::uint64_t time_ns = 0;
  Attributes attributes;
};

struct SpanLink {
  std::optional<TraceId> trace_id;
  std::optional<SpanId> span_id;
  Attributes attributes;
};

struct Resource {
  Attributes attributes;
};

struct Span {
  TraceId trace_id;
  SpanId span_id;
  std::optional<SpanId> parent_id;  // nothing: a root
  bool parent_is_remote = false;    // flags, bits 8 and 9 of trace.proto's SpanFlags
  std::string_view name;
  std::int32_t kind = 0;
  std::uint64_t start_ns = 0;  // unix nanoseconds
  std::uint64_t end_ns = 0;
  StatusCode status = StatusCode::unset;
  std::string_view status_message;
  std::string_view trace_state;
  std::string_view scope_name;
  Attributes attributes;
  std::vector<SpanEvent> events;
  std::vector<SpanLink> links;
  std::uint32_t resource = 0;  // index into DecodedRequest::resources
};

struct DecodedRequest {
  std::vector<Resource> resources;
  std::vector<Span> spans;
};

// Decodes all spans, or those of one trace. `request` must have passed scan_traces_request; if it has not,
// malformed parts give an error of kind invalid_input.
Result<DecodedRequest> decode_traces_request(std::string_view request, const TraceId* only = nullptr);

}  // namespace spanferry
