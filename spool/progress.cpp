#include "spool/progress.hpp"

#include <algorithm>

#include "spool/coding.hpp"

namespace spanferry::spool {
namespace {

constexpr std::uint64_t kProgressVersion = 1;
constexpr std::uint64_t kProgressVersionWithParked = 2;

}  // namespace

void put_boundary(std::string& out, const Boundary& boundary) {
  put_varint(out, boundary.seq);
  put_varint(out, boundary.records);
  put_varint(out, boundary.spans);
}

Boundary take_boundary(Decoder& decoder) {
  Boundary boundary;
  boundary.seq = decoder.varint();
  boundary.records = decoder.varint();
  boundary.spans = decoder.varint();
  return boundary;
}

bool Progress::settle_trace(Seq seq, const TraceId& trace, const MarkSize& size, const SpanCounts& counts) {
  if (settled(seq, trace)) return false;
  counts_ += counts;
  mark(seq, trace, size);
  return true;
}

bool Progress::mark(Seq seq, const TraceId& trace, const MarkSize& size) {
  Partial& partial = partial_[seq];
  if (!partial.traces.insert(trace).second) return false;
  partial.size.record_spans = size.record_spans;
  partial.size.record_traces = size.record_traces;
  partial.size.spans += size.spans;
  partial_spans_ += size.spans;
  if (partial.traces.size() == size.record_traces) cover(seq, {seq, 1, size.record_spans});
  return true;
}

bool Progress::settle_record(Seq seq, std::uint32_t record_spans, const SpanCounts& counts) {
  if (settled(seq)) return false;
  counts_ += counts;
  cover(seq, {seq, 1, record_spans});
  return true;
}

bool Progress::settle_hole(Seq first, Seq last, std::uint64_t records, std::uint64_t spans, Outcome outcome) {
  if (settled(first) || last < first) return false;
  // Traces of a record that was readable once and is gone now are settled already: not lost as well.
  std::uint64_t marked = 0;
  for (auto it = partial_.lower_bound(first); it != partial_.end() && it->first <= last; ++it) {
    marked += it->second.size.spans;
  }
  counts_[outcome] += spans - std::min(marked, spans);
  cover(first, {last, records, spans});
  return true;
}

std::uint64_t Progress::settle_below(const Boundary& to, Outcome outcome) {
  if (to.seq <= position_.seq) return 0;
  const std::uint64_t before = settled_spans();
  for (auto it = intervals_.begin(); it != intervals_.end() && it->first < to.seq;) {
    interval_spans_ -= it->second.spans;
    interval_records_ -= it->second.records;
    it = intervals_.erase(it);
  }
  for (auto it = partial_.begin(); it != partial_.end() && it->first < to.seq;) {
    partial_spans_ -= it->second.size.spans;
    it = partial_.erase(it);
  }
  position_ = to;
  advance();
  const std::uint64_t after = settled_spans();
  const std::uint64_t left = after > before ? after - before : 0;
  counts_[outcome] += left;
  return left;
}

// Makes [first, interval.last] settled as a whole; it was not before.
void Progress::cover(Seq first, const Interval& interval) {
  for (auto it = partial_.lower_bound(first); it != partial_.end() && it->first <= interval.last;) {
    partial_spans_ -= it->second.size.spans;
    it = partial_.erase(it);
  }
  interval_spans_ += interval.spans;
  interval_records_ += interval.records;
  auto [it, inserted] = intervals_.try_emplace(first, interval);
  if (!inserted) return;
  const auto join = [](Interval& into, const Interval& from) {
    into.last = std::max(into.last, from.last);
    into.records += from.records;
    into.spans += from.spans;
  };
  if (it != intervals_.begin()) {
    auto previous = std::prev(it);
    if (previous->second.last + 1 >= first) {
      join(previous->second, it->second);
      intervals_.erase(it);
      it = previous;
    }
  }
  for (auto next = std::next(it); next != intervals_.end() && it->second.last + 1 >= next->first;) {
    join(it->second, next->second);
    next = intervals_.erase(next);
  }
  advance();
}

void Progress::advance() {
  while (!intervals_.empty() && intervals_.begin()->first <= position_.seq) {
    const Interval& first = intervals_.begin()->second;
    position_.seq = std::max(position_.seq, first.last + 1);
    position_.records += first.records;
    position_.spans += first.spans;
    interval_spans_ -= first.spans;
    interval_records_ -= first.records;
    intervals_.erase(intervals_.begin());
  }
}

Seq Progress::whole_boundary(Seq seq) const {
  const auto it = intervals_.lower_bound(seq);
  if (it == intervals_.begin()) return seq;
  const Interval& before = std::prev(it)->second;
  return before.last >= seq ? before.last + 1 : seq;
}

bool Progress::settled(Seq seq) const {
  if (seq < position_.seq) return true;
  auto it = intervals_.upper_bound(seq);
  return it != intervals_.begin() && std::prev(it)->second.last >= seq;
}

bool Progress::settled(Seq seq, const TraceId& trace) const {
  if (settled(seq)) return true;
  const auto it = partial_.find(seq);
  return it != partial_.end() && it->second.traces.contains(trace);
}

std::uint64_t Progress::marked_spans(Seq seq) const {
  const auto it = partial_.find(seq);
  return it == partial_.end() ? 0 : it->second.size.spans;
}

std::size_t Progress::marks() const {
  std::size_t n = 0;
  for (const auto& [seq, partial] : partial_) n += partial.traces.size();
  return n;
}

std::uint64_t Progress::settled_spans() const {
  return position_.spans - start_.spans + interval_spans_ + partial_spans_;
}

Accounting Progress::accounting(const Boundary& end) const {
  return {.accepted = end.spans - start_.spans,
          .recovered = 0,
          .settled = counts_,
          .pending = end.spans - position_.spans - interval_spans_ - partial_spans_ + parked_.spans};
}

std::uint64_t Progress::lag_records(const Boundary& end) const {
  return end.records - position_.records - interval_records_;
}

void Progress::move_counts(Outcome from, Outcome to, std::uint64_t spans) {
  spans = std::min(spans, counts_[from]);
  counts_[from] -= spans;
  counts_[to] += spans;
}

void Progress::park(const ParkedTotals& more) {
  parked_.records += more.records;
  parked_.spans += more.spans;
  parked_.bytes += more.bytes;
}

void Progress::unpark(const ParkedTotals& less, const SpanCounts& counts) {
  counts_ += counts;
  parked_.records -= std::min(parked_.records, less.records);
  parked_.spans -= std::min(parked_.spans, less.spans);
  parked_.bytes -= std::min(parked_.bytes, less.bytes);
  // Damaged parts may not have told how many spans they had: whoever leaves last takes the rest along.
  if (parked_.records == 0) found_parked({});
}

void Progress::revive(Outcome from, const ParkedTotals& more) {
  const std::uint64_t spans = std::min(more.spans, counts_[from]);
  counts_[from] -= spans;
  park({.records = more.records, .spans = spans, .bytes = more.bytes});
  ++parked_.revived;
}

void Progress::found_parked(const ParkedTotals& there) {
  counts_[Outcome::lost] += parked_.spans - std::min(parked_.spans, there.spans);
  parked_.spans = std::min(parked_.spans, there.spans);
  parked_.records = there.records;
  parked_.bytes = there.bytes;
}

std::string Progress::encode() const {
  std::string out;
  put_varint(out, parked_.records == 0 ? kProgressVersion : kProgressVersionWithParked);
  put_boundary(out, start_);
  put_boundary(out, position_);
  put_varint(out, kOutcomes);
  for (const auto n : counts_.by_outcome) put_varint(out, n);
  put_varint(out, intervals_.size());
  Seq previous = position_.seq;
  for (const auto& [first, interval] : intervals_) {
    put_varint(out, first - previous);
    put_varint(out, interval.last - first);
    put_varint(out, interval.records);
    put_varint(out, interval.spans);
    previous = interval.last;
  }
  if (parked_.records == 0) return out;
  put_varint(out, parked_.records);
  put_varint(out, parked_.spans);
  put_varint(out, parked_.bytes);
  return out;
}

Result<Progress> Progress::decode(std::string_view bytes) {
  Decoder in(bytes);
  const auto version = in.varint();
  if (in.ok() && version != kProgressVersion && version != kProgressVersionWithParked) {
    return fail(ErrorKind::unsupported,
                "a cursor was written by a newer version (" + std::to_string(version) + ")");
  }
  Progress progress;
  progress.start_ = take_boundary(in);
  progress.position_ = take_boundary(in);
  const auto outcomes = in.varint();
  if (outcomes > kOutcomes)
    return fail(ErrorKind::unsupported, "a cursor has outcomes this version does not know");
  for (std::size_t i = 0; i < outcomes; ++i) progress.counts_.by_outcome[i] = in.varint();
  const auto intervals = in.varint();
  Seq previous = progress.position_.seq;
  for (std::uint64_t i = 0; i < intervals && in.ok(); ++i) {
    const Seq first = previous + in.varint();
    Interval interval;
    interval.last = first + in.varint();
    interval.records = in.varint();
    interval.spans = in.varint();
    progress.interval_records_ += interval.records;
    progress.interval_spans_ += interval.spans;
    progress.intervals_[first] = interval;
    previous = interval.last;
  }
  if (version == kProgressVersionWithParked) {
    progress.parked_.records = in.varint();
    progress.parked_.spans = in.varint();
    progress.parked_.bytes = in.varint();
  }
  if (!in.ok() || !in.at_end())
    return fail(ErrorKind::damaged, "a cursor's progress is cut or has bytes left over");
  return progress;
}

void Progress::restore_mark(Seq seq, const TraceId& trace, const MarkSize& size) {
  if (!settled(seq, trace)) mark(seq, trace, size);
}

std::int64_t Progress::reconcile() {
  const auto left = settled_spans() - std::min(settled_spans(), parked_.spans);
  const auto difference = static_cast<std::int64_t>(left) - static_cast<std::int64_t>(counts_.total());
  if (difference > 0) counts_[Outcome::delivered] += static_cast<std::uint64_t>(difference);
  for (std::size_t i = 0; difference < 0 && i < kOutcomes; ++i) {
    const auto excess = counts_.total() - std::min(counts_.total(), left);
    counts_.by_outcome[i] -= std::min(counts_.by_outcome[i], excess);
  }
  return difference;
}

std::string encode_mark(const MarkSize& size) {
  std::string out;
  put_varint(out, size.spans);
  put_varint(out, size.record_spans);
  put_varint(out, size.record_traces);
  return out;
}

std::optional<MarkSize> decode_mark(std::string_view bytes) {
  Decoder in(bytes);
  MarkSize size;
  size.spans = in.varint();
  size.record_spans = static_cast<std::uint32_t>(in.varint());
  size.record_traces = static_cast<std::uint32_t>(in.varint());
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return size;
}

}  // namespace spanferry::spool
