// A whole trace, put together from its spans, and the trace info that MLflow keeps about it: what StartTrace
// (V3) carries.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/mlflow_context.hpp"
#include "model/mlflow_span.hpp"

namespace spanferry::mlflow {

struct Trace {
  TraceId id;
  std::vector<StoredSpan> spans;  // one a span id, as they came
  JsonAttributes resource;        // of all its resources; where they differ, that of the root's

  // The span that says how the trace went: the first without a parent. Null when none has come.
  [[nodiscard]] const StoredSpan* root() const;
  // The root; without one, the first span whose parent is in another process and did not come by here.
  [[nodiscard]] const StoredSpan* top() const;
};

// Adds `more` to `spans`, one a span id: the later copy wins, but one that has ended over one that has not.
void merge_spans(std::vector<StoredSpan>& spans, std::vector<StoredSpan> more);

enum class Flavor : std::uint8_t {
  open_source,  // an MLflow server: it has the spans and derived what it can; times as it computes them
  databricks,   // experiment storage: has only what we tell; times as MLflow's client computes them
};

enum class State : std::uint8_t { in_progress, ok, error };
std::string_view name(State state);  // IN_PROGRESS, OK, ERROR
State state_named(std::string_view name);

struct TraceInfo {
  std::string trace_id;  // tr-…
  std::optional<std::string> client_request_id;
  std::optional<std::string> request_preview, response_preview;
  std::int64_t request_time_ms = 0;  // since the epoch
  std::int64_t execution_duration_ms = 0;
  State state = State::in_progress;
  std::map<std::string, std::string> metadata;
  Tags tags;
};

TraceInfo trace_info(const Trace& trace, Flavor flavor, const Defaults& defaults);

// What a server that got the spans by OTLP cannot know without a StartTrace; nothing when it knows all. The
// result has times and state as the server computes them, no previews and no token usage (it has them), and
// of tags and metadata just what is missing there.
std::optional<TraceInfo> needs_start_trace(const Trace& trace, const Defaults& defaults);

// The metadata that says how large the spans are. `span_sizes` in bytes of JSON.
void add_size_stats(TraceInfo& info, std::vector<std::size_t> span_sizes, std::size_t file_bytes);

// Cut as MLflow's client cuts: to 1,000 or 10,000 characters with "..." at the end. Of chat messages it is
// the text of the last one by `role`.
std::string preview(std::string_view json, std::string_view role, Flavor flavor);

// The sums over the tree as JSON; nothing if no span has any. What stands on a span already counts its
// descendants.
std::optional<std::string> token_usage_of(const std::vector<StoredSpan>& spans);
std::optional<std::string> cost_of(const std::vector<StoredSpan>& spans);

}  // namespace spanferry::mlflow
