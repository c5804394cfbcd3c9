// A destination's durable progress through the log: everything below `position` is settled, plus intervals of
// records settled beyond it, plus single traces of records that are settled in part.
//
// Moves are visible at once and are written with the next commit group (alone: synced at most every 200 ms):
// after a kill the reader meets again at most what it had in flight; after a power cut, what was settled in
// those 200 ms too.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/record.hpp"
#include "model/status.hpp"
#include "spool/dead_letter.hpp"
#include "spool/parked.hpp"

namespace spanferry::spool {

struct Gap;

// One record, or one trace of a record, that a destination is done with.
struct Settled {
  Seq seq = 0;
  std::uint32_t record_spans = 0;  // header.span_count and header.trace_count of that record
  std::uint32_t record_traces = 0;
  std::optional<TraceId> trace;  // nothing: all that is left of the record
  SpanCounts counts;             // how these spans left
  std::vector<DeadLetter> dead;  // written in the same batch
  std::vector<Parked> parked{};  // the same; its spans are in no count, and stay pending

  static Settled all(const Record& r, SpanCounts counts) {
    return {r.seq, r.header.span_count, r.header.trace_count, std::nullopt, counts, {}};
  }
};

// Any thread; moves of one cursor come from one thread at a time.
class Cursor {
 public:
  virtual ~Cursor() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  // The oldest record that is not settled (or the log's end).
  [[nodiscard]] virtual Seq position() const = 0;
  [[nodiscard]] virtual bool settled(Seq seq) const = 0;
  // Also true when the whole record is settled.
  [[nodiscard]] virtual bool settled(Seq seq, const TraceId& trace) const = 0;
  // Settles; what is settled already (a second time, or trimmed meanwhile) is ignored and counted once.
  virtual void settle(std::vector<Settled> settled) = 0;
  // Records that are not there: counted as lost.
  virtual void settle(const Gap& gap) = 0;
  // Calls `done` once every move made so far has been handed to the kernel, so that a killed process does not
  // make it again; at once when nothing waits, else on the commit thread, where it must only post. Whoever
  // bounds what a kill may repeat waits for this before it takes on more.
  virtual void when_written(std::move_only_function<void()> done) = 0;
  // pending = spans appended − spans below position − spans settled beyond it + spans parked: not derived
  // from the outcome counters.
  [[nodiscard]] virtual Accounting accounting() const = 0;
  [[nodiscard]] virtual std::uint64_t lag_records() const = 0;
  // When the record at `position` was received, unix ns; 0 when nothing is pending.
  [[nodiscard]] virtual std::int64_t oldest_pending_ns() const = 0;
  // Whether this reader may hold the log without limit (nothing; so it begins), or is not waited for: what
  // lies more than so many bytes back (0: half of max_bytes) is dropped for it, counted; so is what it would
  // park beyond parked_max_bytes, and what keeps the spool full when no other reader does.
  virtual void limit_lag(std::optional<std::uint64_t> max_lag_bytes) = 0;

  // --- what was set aside, so that it holds the log no longer: see Settled::parked
  [[nodiscard]] virtual ParkedTotals parked() const = 0;
  // Behind `after` (nothing: from the beginning), in order of trace, then seq; at least one if there is any,
  // else as many as fit. Errors: io, unavailable, unsupported.
  virtual Result<std::vector<Parked>> read_parked(const std::optional<ParkedKey>& after,
                                                  std::size_t max_bytes) = 0;
  // All of one trace, in the order they came in.
  virtual Result<std::vector<Parked>> parked_of(const TraceId& trace) = 0;
  // Each part once, by whoever read it: it is gone then.
  virtual void settle_parked(std::vector<SettledParked> settled) = 0;
  // Kept now, once they are written.
  [[nodiscard]] virtual std::uint64_t dead_letters() const = 0;
};

}  // namespace spanferry::spool
