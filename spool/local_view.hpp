// The local view: one more reader of the log, off the hot path. Writes a summary for each trace of each
// record into a column family of its own, without WAL (lost, they are rebuilt), with its own cursor beside
// them.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <vector>

#include "spool/hot_records.hpp"
#include "spool/live_store.hpp"
#include "spool/log_place.hpp"
#include "spool/newest_summaries.hpp"
#include "spool/spool.hpp"

namespace spanferry::spool {

class LocalView {
 public:
  struct Parts {
    LiveStore& store;
    HotRecords& hot;
    LogPlace& place;
    TrimPositions& positions;
    std::function<Result<ReadBatch>(Seq, std::size_t, std::size_t)> read;
  };
  // Keeps `searched_bytes` of summaries between two searches.
  LocalView(Parts parts, std::size_t searched_bytes) : parts_(std::move(parts)), newest_(searched_bytes) {}

  // Housekeeping thread. Where the view goes on after a start or a reopening.
  void restart();
  // A bounded step; true if there is more to do.
  bool step();

  // The first record it has not come to.
  [[nodiscard]] Seq next() const { return next_; }

  // Any thread: newest first, of records before `before_seq` (0: all).
  Result<std::vector<TraceSummary>> list(std::size_t limit, Seq before_seq) const;
  // As Spool's.
  Result<std::optional<TraceSummary>> summary_of(const TraceId& trace) const;
  Result<> glance(const std::function<bool(const TraceGlance&)>& visit) const;

 private:
  // False: not all of them can be read.
  Result<bool> collect_tail(Seq from, Seq before, std::vector<TraceSummary>& found) const;

  Parts parts_;
  mutable NewestSummaries newest_;
  std::atomic<Seq> next_{1};  // the first record not summarized yet
};

}  // namespace spanferry::spool
