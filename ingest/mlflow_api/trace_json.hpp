// A trace as MLflow's API writes it. CONTRACT 0, 1.2, 1.4.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ingest/mlflow_api/local_trace.hpp"
#include "model/json_writer.hpp"

namespace spanferry::ingest {

// Whose client reads it: where its spans and files are differs.
enum class Reader : std::uint8_t {
  http,  // MLFLOW_TRACKING_URI=http://…: spans by /api/3.0/mlflow/traces/get, files below mlflow-artifacts
  databricks,  // MLFLOW_TRACKING_URI=databricks: spans in a file behind a signed address
};

// mlflow-artifacts:/EXPERIMENT/traces/tr-…/artifacts,
// dbfs:/databricks/mlflow-tracking/EXPERIMENT/tr-…/artifacts
std::string artifact_location(const TraceId& trace, std::string_view experiment_id, Reader reader);

// A TraceInfo (V3) with the trace's assessments. `experiment_id`: as the reader knows it.
void write_trace_info(JsonWriter& json, const LocalTrace& trace, std::string_view experiment_id,
                      Reader reader);
// The same as V4 has it: a bare id, and a table for its location (catalog.schema[.prefix]).
void write_trace_info_v4(JsonWriter& json, const LocalTrace& trace, std::string_view location);

// OTLP's Span in protobuf's JSON with base64 ids, in a list.
void write_otlp_spans(JsonWriter& json, const std::vector<mlflow::StoredSpan>& spans);
// Reads such a list. Errors: invalid_input.
Result<std::vector<mlflow::StoredSpan>> parse_otlp_spans(std::string_view json);

}  // namespace spanferry::ingest
