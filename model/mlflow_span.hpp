// A span as MLflow stores it: every attribute's value is JSON text, ids name each other, and the attributes
// of other conventions have become MLflow's own. Owns its bytes: it outlives the request it came in. Source:
// CONTRACT of traces.json (MLflow's Span.to_dict); the names are those of mlflow.tracing.constant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.hpp"
#include "model/otlp_span.hpp"

namespace spanferry::mlflow {

namespace attribute {
inline constexpr std::string_view kRequestId = "mlflow.traceRequestId";
inline constexpr std::string_view kInputs = "mlflow.spanInputs";
inline constexpr std::string_view kOutputs = "mlflow.spanOutputs";
inline constexpr std::string_view kSpanType = "mlflow.spanType";
inline constexpr std::string_view kTools = "mlflow.chat.tools";
inline constexpr std::string_view kTokenUsage = "mlflow.chat.tokenUsage";
inline constexpr std::string_view kModel = "mlflow.llm.model";
inline constexpr std::string_view kProvider = "mlflow.llm.provider";
inline constexpr std::string_view kCost = "mlflow.llm.cost";
inline constexpr std::string_view kMessageFormat = "mlflow.message.format";
inline constexpr std::string_view kTraceTagPrefix = "mlflow.traceTag.";
}  // namespace attribute

struct JsonAttribute {
  std::string key;
  std::string json;
};
using JsonAttributes = std::vector<JsonAttribute>;

struct StoredEvent {
  std::string name;
  std::uint64_t time_ns = 0;
  std::string attributes;  // a JSON object
};

struct StoredLink {
  std::string trace_id;    // "tr-…"
  std::string span_id;     // hex
  std::string attributes;  // a JSON object
};

struct StoredSpan {
  TraceId trace_id;
  SpanId span_id;
  std::optional<SpanId> parent_id;
  bool parent_is_remote = false;
  std::string name;
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;  // 0: not ended
  StatusCode status = StatusCode::unset;
  std::string status_message;
  JsonAttributes attributes;
  std::vector<StoredEvent> events;
  std::vector<StoredLink> links;

  // The JSON text of an attribute, or null. Of a key that is there twice the last one counts.
  [[nodiscard]] const std::string* find(std::string_view key) const;
  // About what it takes in memory.
  [[nodiscard]] std::size_t size_bytes() const;
};

// "tr-" and the id in hex.
std::string trace_name_of(const TraceId& id);

// An attribute's value as MLflow keeps it. Both encodings of the wire are read: real values, and strings that
// hold the JSON text of a string, list or object.
std::string stored_json(const AnyValue& value);
// Of a key that comes twice the last value, at the place of the first.
JsonAttributes stored_attributes(const Attributes& attributes);

// The span as MLflow's server would store it, conventions translated (model/mlflow_translate.hpp).
StoredSpan stored_span(const Span& span);

}  // namespace spanferry::mlflow
