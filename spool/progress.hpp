// How far one cursor is: the arithmetic of cursor.hpp, without threads or disk.
//
// Kept apart on purpose: `counts` says how spans left, the sums over position, intervals and marks say how
// many did. The accounting identity compares the two.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "model/record.hpp"
#include "model/result.hpp"
#include "model/status.hpp"
#include "spool/parked.hpp"

namespace spanferry::spool {

// A place in the log with the running totals of everything before it.
struct Boundary {
  Seq seq = 1;
  std::uint64_t records = 0;
  std::uint64_t spans = 0;
  bool operator==(const Boundary&) const = default;
};

void put_boundary(std::string& out, const Boundary& boundary);
class Decoder;
Boundary take_boundary(Decoder& decoder);

// A trace of a record that is not settled as a whole.
struct MarkSize {
  std::uint64_t spans = 0;
  std::uint32_t record_spans = 0;
  std::uint32_t record_traces = 0;
};

class Progress {
 public:
  Progress() = default;
  explicit Progress(const Boundary& start) : start_(start), position_(start) {}

  // What of `[position, ...)` a call settled: nothing if it was settled before.
  // One trace of a record. Settles the record when it was its last one.
  bool settle_trace(Seq seq, const TraceId& trace, const MarkSize& size, const SpanCounts& counts);
  // All that is left of a record.
  bool settle_record(Seq seq, std::uint32_t record_spans, const SpanCounts& counts);
  // A hole [first, last] of that exact size.
  bool settle_hole(Seq first, Seq last, std::uint64_t records, std::uint64_t spans, Outcome outcome);
  // Everything before `to`, whatever it was; returns the spans that were not settled yet. `to` must not lie
  // inside an interval: whole_boundary says where that ends.
  std::uint64_t settle_below(const Boundary& to, Outcome outcome);

  [[nodiscard]] Seq whole_boundary(Seq seq) const;

  [[nodiscard]] bool settled(Seq seq) const;
  [[nodiscard]] bool settled(Seq seq, const TraceId& trace) const;
  // Of a record that is settled in part: the spans of its settled traces.
  [[nodiscard]] std::uint64_t marked_spans(Seq seq) const;
  [[nodiscard]] std::size_t intervals() const { return intervals_.size(); }
  [[nodiscard]] std::size_t marks() const;
  [[nodiscard]] const Boundary& position() const { return position_; }
  [[nodiscard]] const SpanCounts& counts() const { return counts_; }
  [[nodiscard]] Accounting accounting(const Boundary& end) const;
  [[nodiscard]] std::uint64_t lag_records(const Boundary& end) const;

  // Spans in dead letters that were given up for their budget: dead becomes dropped.
  void move_counts(Outcome from, Outcome to, std::uint64_t spans);

  // Settled as far as the log goes, in no count, and pending.
  void park(const ParkedTotals& more);
  // They left the parked space, as `counts` says.
  void unpark(const ParkedTotals& less, const SpanCounts& counts);
  // Spans that had left come back to the parked space; not more than had left that way.
  void revive(Outcome from, const ParkedTotals& more);
  // What of the parked space is really there; the rest is lost.
  void found_parked(const ParkedTotals& there);
  [[nodiscard]] const ParkedTotals& parked() const { return parked_; }

  // The bytes in `state` and the side file: everything but the marks, which are keys of their own.
  [[nodiscard]] std::string encode() const;
  static Result<Progress> decode(std::string_view bytes);
  // A mark read back; ignored when its record is settled.
  void restore_mark(Seq seq, const TraceId& trace, const MarkSize& size);
  // After damage, marks may be missing that `counts` knows: makes counts agree with what is known to be
  // settled. Returns the difference, 0 in health.
  std::int64_t reconcile();

 private:
  struct Interval {
    Seq last = 0;
    std::uint64_t records = 0, spans = 0;
  };
  struct Partial {
    MarkSize size;  // spans: of all its marks
    std::unordered_set<TraceId> traces;
  };

  bool mark(Seq seq, const TraceId& trace, const MarkSize& size);
  void cover(Seq first, const Interval& interval);
  void advance();
  [[nodiscard]] std::uint64_t settled_spans() const;

  Boundary start_, position_;
  SpanCounts counts_;
  ParkedTotals parked_;
  std::map<Seq, Interval> intervals_;  // beyond position_, neither touching it nor each other
  std::map<Seq, Partial> partial_;     // of records neither below position_ nor in an interval
  std::uint64_t interval_spans_ = 0, interval_records_ = 0, partial_spans_ = 0;
};

std::string encode_mark(const MarkSize& size);
std::optional<MarkSize> decode_mark(std::string_view bytes);

}  // namespace spanferry::spool
