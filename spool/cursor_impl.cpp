#include "spool/cursor_impl.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "spool/coding.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"
#include "spool/spool.hpp"

namespace spanferry::spool {
namespace {

template <class T>
void put_back(std::vector<T>& into, std::vector<T>& from) {
  from.insert(from.end(), std::make_move_iterator(into.begin()), std::make_move_iterator(into.end()));
  into = std::move(from);
  from.clear();
}

template <class T>
void append(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

std::string key_of(const DeadLetter& letter) {
  return dead_key(letter.destination, letter.seq, letter.trace_id, letter.span_id);
}

}  // namespace

std::string dead_stats_key(std::string_view cursor) { return std::string("d/").append(cursor); }

std::string encode(const DeadStats& stats) {
  std::string out;
  put_string(out, stats.destination);
  put_varint(out, stats.letters);
  put_varint(out, stats.bytes);
  put_varint(out, stats.spans);
  return out;
}

std::optional<DeadStats> decode_dead_stats(std::string_view bytes) {
  Decoder in(bytes);
  DeadStats stats;
  stats.destination = in.string();
  stats.letters = in.varint();
  stats.bytes = in.varint();
  stats.spans = in.varint();
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return stats;
}

CursorImpl::CursorImpl(std::string name, Progress progress, DeadStats dead, Log log)
    : name_(std::move(name)),
      log_(std::move(log)),
      progress_(std::move(progress)),
      dead_(std::move(dead)),
      written_(progress_.position()),
      durable_(progress_.position()),
      durable_progress_(progress_.encode()) {
  log_.positions->set_cursor(name_, durable_.seq);
}

Seq CursorImpl::position() const {
  const std::scoped_lock lock(mutex_);
  return progress_.position().seq;
}

bool CursorImpl::settled(Seq seq) const {
  const std::scoped_lock lock(mutex_);
  return progress_.settled(seq);
}

bool CursorImpl::settled(Seq seq, const TraceId& trace) const {
  const std::scoped_lock lock(mutex_);
  return progress_.settled(seq, trace);
}

void CursorImpl::settle(std::vector<Settled> settled) {
  {
    const std::scoped_lock lock(mutex_);
    for (auto& one : settled) {
      if (max_lag_bytes_ && !one.parked.empty() && log_.parked_is_full()) {
        for (const auto& part : one.parked) one.counts[Outcome::dropped] += part.header.span_count;
        one.parked.clear();
      }
      MarkSize size{one.counts.total(), one.record_spans, one.record_traces};
      for (const auto& part : one.parked) size.spans += part.header.span_count;
      const bool is_new = one.trace ? progress_.settle_trace(one.seq, *one.trace, size, one.counts)
                                    : progress_.settle_record(one.seq, one.record_spans, one.counts);
      if (!is_new) continue;
      if (one.trace && !progress_.settled(one.seq)) changes_.marks.push_back({one.seq, *one.trace, size});
      add_dead_locked(std::move(one.dead));
      for (const auto& part : one.parked)
        park_locked(part, std::make_shared<const std::string>(encode_parked(part)));
      changed_locked();
    }
  }
  log_.wake();
}

void CursorImpl::settle(const Gap& gap) {
  {
    const std::scoped_lock lock(mutex_);
    if (!progress_.settle_hole(gap.first, gap.last, gap.records, gap.spans, Outcome::lost)) return;
    changed_locked();
  }
  log_.lost(gap);
  log_.wake();
}

void CursorImpl::when_written(std::move_only_function<void()> done) {
  {
    const std::scoped_lock lock(mutex_);
    if (dirty_ || writing_) {
      (dirty_ ? waiters_ : waiters_writing_).push_back(std::move(done));
      done = nullptr;
    }
  }
  if (done) {
    done();
  } else {
    log_.wake();
  }
}

Accounting CursorImpl::accounting() const {
  const std::scoped_lock lock(mutex_);
  return progress_.accounting(log_.end());
}

std::uint64_t CursorImpl::lag_records() const {
  const std::scoped_lock lock(mutex_);
  return progress_.lag_records(log_.end());
}

std::int64_t CursorImpl::oldest_pending_ns() const {
  Seq at = 0;
  {
    const std::scoped_lock lock(mutex_);
    at = progress_.position().seq;
    if (at >= log_.end().seq) return 0;
    if (at == oldest_seq_) return oldest_ns_;
  }
  const std::int64_t received = log_.received_ns(at);
  const std::scoped_lock lock(mutex_);
  oldest_seq_ = at;
  oldest_ns_ = received;
  return received;
}

// A letter that was given up and is refused again takes its place anew: whichever came last counts.
void CursorImpl::add_dead_locked(std::vector<DeadLetter> dead) {
  for (auto& letter : dead) {
    const std::string key = dropping_.empty() ? std::string() : key_of(letter);
    if (dropping_.erase(key) == 0) {
      changes_.dead.push_back(std::move(letter));
      continue;
    }
    const auto is_it = [&key](const DeadKey& dropped) { return dropped.key == key; };
    std::erase_if(changes_.dropped, is_it);
    std::erase_if(in_flight_.dropped, is_it);
    changes_.dead_again.push_back(std::move(letter));
  }
}

void CursorImpl::changed_locked() {
  if (!dirty_) dirty_since_ = Clock::now();
  dirty_ = true;
}

Rider::Clock::time_point CursorImpl::due() const {
  const std::scoped_lock lock(mutex_);
  if (!dirty_) return Clock::time_point::max();
  if (waiters_.empty()) return std::max(dirty_since_, last_write_) + kLoneMoveDelay;
  return last_size_ < kBigProgressBytes ? dirty_since_ : last_write_ + kBigProgressDelay;
}

bool CursorImpl::wants_to_ride(Clock::time_point now) const {
  const std::scoped_lock lock(mutex_);
  return dirty_ && (last_size_ < kBigProgressBytes || now >= last_write_ + kBigProgressDelay);
}

void CursorImpl::write(Store& store, rocksdb::WriteBatch& batch) {
  const std::scoped_lock lock(mutex_);
  if (clear_first_) clear_what_is_stored(store, batch);
  Changes now = std::exchange(changes_, {});
  for (auto& waiter : waiters_) waiters_writing_.push_back(std::move(waiter));
  waiters_.clear();
  parking_.write(store, batch);
  dirty_ = false;
  writing_ = true;
  if (forgotten_) return;
  last_write_ = Clock::now();
  written_ = progress_.position();
  written_progress_ = progress_.encode();
  last_size_ = written_progress_.size();
  auto* state = store.family(Family::state);
  batch.Put(state, cursor_key(name_), written_progress_).PermitUncheckedError();
  for (const auto& mark : now.marks) {
    batch.Put(state, mark_key(name_, mark.seq, mark.trace), encode_mark(mark.size)).PermitUncheckedError();
    has_marks_ = true;
  }
  if (!now.dead.empty() || !now.dead_again.empty() || !now.dropped.empty() || dead_dirty_)
    write_dead(now, store, batch);
  append(in_flight_.marks, now.marks);
  append(in_flight_.dead, now.dead);
  append(in_flight_.dead_again, now.dead_again);
  append(in_flight_.dropped, now.dropped);
}

void CursorImpl::clear_what_is_stored(Store& store, rocksdb::WriteBatch& batch) {
  clear_first_ = false;
  clearing_ = true;
  auto* state = store.family(Family::state);
  const auto clear = [&batch](rocksdb::ColumnFamilyHandle* family, const std::string& prefix) {
    batch.DeleteRange(family, prefix, prefix_end(prefix)).PermitUncheckedError();
  };
  batch.Delete(state, cursor_key(name_)).PermitUncheckedError();
  batch.Delete(state, dead_stats_key(name_)).PermitUncheckedError();
  clear(state, mark_prefix(name_));
  clear(store.family(Family::parked), parked_prefix(name_));
  clear(store.family(Family::dead), dead_prefix(name_.substr(0, name_.find('#'))));
}

void CursorImpl::count_dead(std::uint64_t bytes, std::uint64_t spans, int sign) {
  if (sign > 0) {
    ++dead_.letters;
    dead_.bytes += bytes;
    dead_.spans += spans;
  } else {
    dead_.letters -= std::min<std::uint64_t>(dead_.letters, 1);
    dead_.bytes -= std::min(dead_.bytes, bytes);
    dead_.spans -= std::min(dead_.spans, spans);
  }
}

void CursorImpl::write_dead(const Changes& now, Store& store, rocksdb::WriteBatch& batch) {
  auto* family = store.family(Family::dead);
  for (const auto& letter : now.dead) {
    const std::string key = key_of(letter);
    std::string before;
    if (!store.db().Get(rocksdb::ReadOptions(), family, key, &before).ok()) continue;
    const auto old = decode_dead_letter(before);  // it replaces itself
    count_dead(key.size() + before.size(), old ? old->spans : 0, -1);
  }
  for (const auto* letters : {&now.dead, &now.dead_again}) {
    for (const auto& letter : *letters) {
      const std::string key = key_of(letter);
      const std::string value = encode(letter);
      batch.Put(family, key, value).PermitUncheckedError();
      dead_.destination = letter.destination;
      count_dead(key.size() + value.size(), letter.spans, 1);
    }
  }
  for (const auto& dropped : now.dropped) batch.Delete(family, dropped.key).PermitUncheckedError();
  batch.Put(store.family(Family::state), dead_stats_key(name_), encode(dead_)).PermitUncheckedError();
  dead_dirty_ = true;  // until durable: a second try writes the stats again
}

void CursorImpl::written() {
  std::vector<std::move_only_function<void()>> waiters;
  {
    const std::scoped_lock lock(mutex_);
    writing_ = false;
    waiters.swap(waiters_writing_);
  }
  for (auto& waiter : waiters) waiter();
}

void CursorImpl::durable() {
  const std::scoped_lock lock(mutex_);
  for (const auto& key : in_flight_.dropped) dropping_.erase(key.key);
  in_flight_ = {};
  parking_.durable();
  dead_dirty_ = clearing_ = false;
  if (has_marks_ && written_.seq != durable_.seq) log_.positions->set_cursor(name_, written_.seq);
  durable_ = written_;
  durable_progress_ = written_progress_;
}

void CursorImpl::failed() {
  const std::scoped_lock lock(mutex_);
  for (const auto* letters : {&in_flight_.dead, &in_flight_.dead_again}) {
    for (const auto& letter : *letters) {  // counted again when written again
      count_dead(key_of(letter).size() + encode(letter).size(), letter.spans, -1);
    }
  }
  put_back(changes_.marks, in_flight_.marks);
  // The store may hold them already: they are counted without a look at it.
  append(changes_.dead_again, in_flight_.dead_again);
  append(changes_.dead_again, in_flight_.dead);
  in_flight_.dead.clear();
  in_flight_.dead_again.clear();
  put_back(changes_.dropped, in_flight_.dropped);
  parking_.failed();
  for (auto& waiter : waiters_writing_) waiters_.push_back(std::move(waiter));
  waiters_writing_.clear();
  writing_ = false;
  clear_first_ = std::exchange(clearing_, false) || clear_first_;
  changed_locked();
}

void CursorImpl::limit_lag(std::optional<std::uint64_t> max_lag_bytes) {
  const std::scoped_lock lock(mutex_);
  max_lag_bytes_ = max_lag_bytes;
}

std::optional<std::uint64_t> CursorImpl::max_lag_bytes() const {
  const std::scoped_lock lock(mutex_);
  return max_lag_bytes_;
}

bool CursorImpl::active() const {
  const std::scoped_lock lock(mutex_);
  return active_;
}

void CursorImpl::activate() {
  {
    const std::scoped_lock lock(mutex_);
    active_ = true;
    released_at_.reset();
    changed_locked();
  }
  log_.wake();
}

void CursorImpl::release(const Boundary& end) {
  const std::scoped_lock lock(mutex_);
  active_ = false;
  released_at_ = end;
}

std::optional<Boundary> CursorImpl::released_at() const {
  const std::scoped_lock lock(mutex_);
  return released_at_;
}

Accounting CursorImpl::accounting_at_release() const {
  const std::scoped_lock lock(mutex_);
  return progress_.accounting(released_at_.value_or(log_.end()));
}

void CursorImpl::forget() {
  {
    const std::scoped_lock lock(mutex_);
    forgotten_ = clear_first_ = true;
    changes_ = {};
    parking_ = {};
    dropping_.clear();
    last_size_ = 0;  // it rides with the next group
    changed_locked();
  }
  log_.wake();
}

bool CursorImpl::forgotten() const {
  const std::scoped_lock lock(mutex_);
  return forgotten_;
}

void CursorImpl::begin(const Boundary& start) {
  const std::scoped_lock lock(mutex_);
  forgotten_ = false;
  released_at_.reset();
  progress_ = Progress(start);
  dead_ = {};
  changes_ = {};
  parking_ = {};
  dropping_.clear();
  durable_ = written_ = start;
  durable_progress_ = progress_.encode();
  log_.positions->set_cursor(name_, start.seq);
}

Boundary CursorImpl::durable_position() const {
  const std::scoped_lock lock(mutex_);
  return durable_;
}

std::string CursorImpl::durable_progress() const {
  const std::scoped_lock lock(mutex_);
  return durable_progress_;
}

DeadStats CursorImpl::dead() const {
  const std::scoped_lock lock(mutex_);
  return dead_;
}

std::uint64_t CursorImpl::settle_below(const Boundary& to, Outcome outcome) {
  std::uint64_t spans = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (to.seq <= progress_.position().seq) return 0;
    spans = progress_.settle_below(to, outcome);
    changed_locked();
  }
  log_.wake();
  return spans;
}

Seq CursorImpl::whole_boundary(Seq seq) const {
  const std::scoped_lock lock(mutex_);
  return progress_.whole_boundary(seq);
}

std::uint64_t CursorImpl::drop_dead(std::vector<DeadKey> keys) {
  std::uint64_t dropped = 0;
  {
    const std::scoped_lock lock(mutex_);
    for (auto& key : keys) {
      if (!dropping_.insert(key.key).second) continue;
      ++dropped;
      count_dead(key.bytes, key.spans, -1);
      progress_.move_counts(Outcome::dead, Outcome::dropped, key.spans);
      changes_.dropped.push_back(std::move(key));
    }
    if (dropped == 0) return 0;
    dead_dirty_ = true;
    changed_locked();
  }
  log_.wake();
  return dropped;
}

void CursorImpl::touch() {
  {
    const std::scoped_lock lock(mutex_);
    changed_locked();
  }
  log_.wake();
}

}  // namespace spanferry::spool
