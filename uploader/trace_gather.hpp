// Gathers one trace from the spool: all records that the index names for it, only its spans decoded, merged
// by span id, and beside them what an MLflow client wrote about it. Memory: the trace, and a few records that
// hold many traces.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/otlp_span.hpp"
#include "spool/spool.hpp"
#include "uploader/gathered_trace.hpp"

namespace spanferry::uploader {

class TraceGatherer {
 public:
  TraceGatherer(spool::Spool& spool, spool::Cursor& cursor) : spool_(spool), cursor_(cursor) {}

  // Nothing if the log holds nothing of it any more. Errors: of the spool; too_large (the parts are in
  // `*parts` then, without spans).
  Result<std::optional<GatheredTrace>> gather(const TraceId& trace, std::optional<TraceMark> mark,
                                              std::vector<TracePart>* parts);
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
