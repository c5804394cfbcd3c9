// Spans of an MLflow span file as an OTLP request: the way back from traces.json.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "model/mlflow_span.hpp"

namespace spanferry::mlflow {

// A string that holds the JSON text of a string, list or object: MLflow's server takes one layer away, so
// that it gets one more; a table keeps what it is given.
enum class TextValues : std::uint8_t { in_quotes, as_they_are };

// The bytes of an ExportTraceServiceRequest with one resource, which has no attributes: a span file names
// none. Values are real ones. CONTRACT 3.2, 3.3.
std::string otlp_request_of(std::span<const StoredSpan> spans, TextValues texts = TextValues::in_quotes);

}  // namespace spanferry::mlflow
