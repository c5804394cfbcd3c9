// One trace as it is here: its spans merged by span id, and beside them what an MLflow client wrote about it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "model/mlflow_trace.hpp"
#include "model/mlflow_write.hpp"
#include "model/otlp_span.hpp"
#include "spool/parked.hpp"
#include "uploader/trace_marks.hpp"

namespace spanferry::uploader {

// A trace that takes more than this once decoded is set aside instead of delivered.
inline constexpr std::size_t kMaxTraceBytes = 128U << 20;

// What one record holds of the trace.
struct TracePart {
  Seq seq = 0;
  RecordHeader header;
  std::uint32_t spans = 0;                // repeated ones included
  bool settled = false;                   // here, before
  std::optional<spool::Parked> parked{};  // where it stands, unless in the log
  std::string unreadable{};               // why its payload cannot be read; empty: it can

  [[nodiscard]] bool holds_spans() const {
    return header.kind == RecordKind::spans || header.kind == RecordKind::trace_data;
  }
};

// What an MLflow client wrote about a trace beside its spans, as far as it is here.
struct TraceWrites {
  std::optional<mlflow::WrittenInfo> info;  // of all its StartTraces, merged
  bool info_is_new = false;                 // one of them is not settled here
  bool deleted = false;
  struct Edit {
    std::size_t part = 0;
    mlflow::TraceEdit edit;
  };
  std::vector<Edit> edits;             // in the order they came in, settled ones too
  std::vector<std::size_t> artifacts;  // parts, not settled
  // The span file as it came, where it is all that there is of the spans.
  std::shared_ptr<const std::string> only_file;
};

struct GatheredTrace {
  mlflow::Trace trace;
  std::vector<TracePart> parts;  // in the order of the log, never empty
  Route route;                   // of the root's record, else of the first
  std::size_t bytes = 0;
  std::int64_t last_received_ns = 0;
  bool top_ended = false;
  std::optional<TraceMark> mark;
  std::uint64_t spans_of_mark = 0;  // distinct spans in records of the log up to the mark's last
  TraceWrites writes;

  [[nodiscard]] bool settled() const;
  // All that is here is at the far side already.
  [[nodiscard]] bool uploaded() const;
  // Whether that part is done, though perhaps not settled: the process before was not given the time.
  [[nodiscard]] bool done(const TracePart& part) const {
    return part.settled || (mark && !part.parked && part.seq <= mark->last);
  }
  // There is something new to tell about the trace itself: spans, or the info that its client wrote.
  [[nodiscard]] bool has_news() const;
  // Its client told about it, or tells: we add nothing.
  [[nodiscard]] bool has_own_info() const { return writes.info || (mark && mark->info_sent); }
  // The spool does not hold all that is at the far side.
  [[nodiscard]] bool is_less_than_uploaded() const { return mark && spans_of_mark < mark->spans; }
};

// Puts one trace together from what its records hold, told in the order they came in.
class TraceGathering {
 public:
  TraceGathering(const TraceId& trace, std::optional<TraceMark> mark);

  // A record of spans; those of the trace are `spans` in `request`.
  void add(TracePart part, const DecodedRequest& request, std::span<const std::uint32_t> spans);
  // A record of another kind that is about the trace.
  void add(TracePart part, const std::shared_ptr<const std::string>& payload);

  // What has come of it. Nothing if nothing was added. Errors: too_large (the parts are in `*parts` then).
  Result<std::optional<GatheredTrace>> finish(std::vector<TracePart>* parts);

 private:
  using Merged = std::map<std::string, std::string>;

  TracePart& add(TracePart part);
  void merge(std::vector<mlflow::StoredSpan>& into, std::vector<mlflow::StoredSpan> spans,
             const TracePart& part);
  void add_resource(const Resource& resource, bool is_of_root);
  void add_file(TracePart& part, const std::shared_ptr<const std::string>& payload);
  void add_info(TracePart& part, const std::string& payload);
  void add_edit(TracePart& part, const std::string& payload);
  [[nodiscard]] bool is_closed() const;

  GatheredTrace gathered_;
  std::vector<mlflow::StoredSpan> from_files_;
  std::shared_ptr<const std::string> file_;
  std::size_t files_ = 0;
  Merged resource_, root_resource_;
  bool has_root_resource_ = false;
  std::optional<Route> first_route_;  // of a record with spans
  bool plain_top_ended_ = false;      // in a record whose sender makes no StartTrace
  std::unordered_set<SpanId> up_to_mark_;
  bool too_large_ = false;
};

}  // namespace spanferry::uploader
