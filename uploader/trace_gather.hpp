// Gathers one trace from the spool: all records that the index names for it, only its spans decoded, merged
// by span id. Memory: the trace, and a few records that hold many traces.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/mlflow_trace.hpp"
#include "model/otlp_span.hpp"
#include "spool/spool.hpp"
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

  [[nodiscard]] bool settled() const;
  // All that is here is at the far side already.
  [[nodiscard]] bool uploaded() const;
  // The spool does not hold all that is at the far side.
  [[nodiscard]] bool is_less_than_uploaded() const { return mark && spans_of_mark < mark->spans; }
};

class TraceGatherer {
 public:
  TraceGatherer(spool::Spool& spool, spool::Cursor& cursor) : spool_(spool), cursor_(cursor) {}

  // Nothing if the log holds none of its spans any more. Errors: of the spool; too_large (the parts are in
  // `*parts` then, without spans).
  Result<std::optional<GatheredTrace>> gather(const TraceId& trace, std::optional<TraceMark> mark,
                                              std::vector<TracePart>* parts);
  // The trace's spans of those parts that are not settled, as one OTLP request: for a dead letter.
  std::string request_of(const TraceId& trace, const std::vector<TracePart>& parts);
  // Nothing is waiting: gives back the memory of records kept decoded.
  void forget() {
    kept_.clear();
    kept_bytes_ = 0;
  }

 private:
  // A record whose spans are decoded: many traces, asked for one after the other.
  struct Decoded {
    Record record;
    DecodedRequest request;
    std::unordered_map<TraceId, std::vector<std::uint32_t>> spans_of;
  };
  struct Source {
    Seq seq = 0;
    std::optional<spool::Parked> parked;
  };
  Result<std::vector<Source>> sources_of(const TraceId& trace);
  Result<std::shared_ptr<const Decoded>> decoded(const Source& source, const TraceId& trace);
  Result<std::shared_ptr<const Decoded>> decoded(Seq seq, const TraceId& trace);
  void keep(std::shared_ptr<const Decoded> decoded);

  spool::Spool& spool_;
  spool::Cursor& cursor_;
  std::list<std::shared_ptr<const Decoded>> kept_;  // the last used first
  std::size_t kept_bytes_ = 0;
};

}  // namespace spanferry::uploader
