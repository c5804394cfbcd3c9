// Spans of an MLflow span file as an OTLP request: the way back from traces.json.
#pragma once

#include <span>
#include <string>

#include "model/mlflow_span.hpp"

namespace spanferry::mlflow {

// The bytes of an ExportTraceServiceRequest with one resource, which has no attributes: a span file names
// none. Values are real ones, except for a string that holds the JSON text of a string, list or object: that
// stays JSON text in quotes, because MLflow's server takes one layer away. CONTRACT 3.2, 3.3.
std::string otlp_request_of(std::span<const StoredSpan> spans);

}  // namespace spanferry::mlflow
