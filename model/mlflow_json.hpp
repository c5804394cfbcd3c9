// The two bodies that MLflow 3's REST API takes for a trace, and reading them back: StartTrace (V3) and the
// span file, traces.json. Numbers are exact to the last of their 64 bits.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/json_writer.hpp"
#include "model/mlflow_trace.hpp"
#include "model/result.hpp"

namespace spanferry::mlflow {

enum class WithTags : bool { no, yes };

// The body of POST /api/3.0/mlflow/traces.
std::string start_trace_body(const TraceInfo& info, std::string_view experiment_id, WithTags tags);

// A TraceInfo object, for whoever knows where the trace is: `write_location` writes the value of
// trace_location.
void write_info(JsonWriter& json, const TraceInfo& info, WithTags tags,
                const std::function<void()>& write_location);

struct SpansFile {
  std::string body;                     // {"spans":[…]}
  std::vector<std::size_t> span_sizes;  // bytes of each span's JSON
};
SpansFile spans_file(const std::vector<StoredSpan>& spans);

// Errors: invalid_input, with what is wrong where. Spans whose ids cannot be read are an error: a file that
// is not understood must not be overwritten.
Result<std::vector<StoredSpan>> parse_spans_file(std::string_view json);

// What a server tells about a trace, as far as we need it.
struct KnownInfo {
  std::string experiment_id;
  std::optional<std::string> client_request_id;
  std::string state;  // OK, ERROR, IN_PROGRESS, STATE_UNSPECIFIED
  std::int64_t request_time_ms = 0;
  std::int64_t execution_duration_ms = 0;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> tags;
};
// Of the answer to StartTrace and to GET traces/ID.
Result<KnownInfo> parse_trace_info(std::string_view json);

// RFC 3339 in UTC with milliseconds, and a protobuf Duration: "2026-11-24T02:34:52.170Z", "0.026s". Nothing
// is read of what is neither, nor of a negative or longer Duration than protobuf has.
std::string timestamp(std::int64_t ms);
std::string duration(std::int64_t ms);
std::optional<std::int64_t> parse_timestamp(std::string_view text);
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace spanferry::mlflow
