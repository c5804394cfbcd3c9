// A cursor's parked space: what goes in rides with its moves, what comes out is settled like the log's.
#include <algorithm>

#include "spool/cursor_impl.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {

ParkedTotals CursorImpl::parked() const {
  const std::scoped_lock lock(mutex_);
  ParkedTotals totals = progress_.parked();
  totals.full = log_.parked_is_full();
  return totals;
}

bool CursorImpl::must_sync() const {
  const std::scoped_lock lock(mutex_);
  return parking_.bytes() > kUnsyncedParkedBytes;
}

void CursorImpl::park_locked(const Parked& part, std::shared_ptr<const std::string> value) {
  std::string key = parked_key(name_, part.key);
  progress_.park({.records = 1, .spans = part.header.span_count, .bytes = key.size() + value->size()});
  parking_.put(std::move(key), std::move(value));
}

Result<std::vector<Parked>> CursorImpl::read_range(const ParkedRange& range) {
  ParkedOps ops;
  {
    const std::scoped_lock lock(mutex_);
    if (progress_.parked().records == 0) return std::vector<Parked>{};
    ops = parking_.of(range.prefix);
  }
  auto read = spool::read_parked(*log_.store, ops, range);
  if (!read) return std::unexpected(read.error());
  std::vector<SettledParked> lost;
  for (const auto& part : read->damaged)
    lost.emplace_back(part, SpanCounts::of(Outcome::lost, part.header.span_count));
  if (!lost.empty()) settle_parked(std::move(lost));
  return std::move(read->parts);
}

Result<std::vector<Parked>> CursorImpl::read_parked(const std::optional<ParkedKey>& after,
                                                    std::size_t max_bytes) {
  ParkedRange range{.prefix = parked_prefix(name_), .after = {}, .max_bytes = max_bytes};
  if (after) range.after = parked_key(name_, *after);
  return read_range(range);
}

Result<std::vector<Parked>> CursorImpl::parked_of(const TraceId& trace) {
  return read_range({.prefix = parked_prefix(name_, &trace), .after = {}, .max_bytes = SIZE_MAX});
}

// Two may have read the same part: whoever delivers it, and who drops what is parked for too long. The first
// to settle it counts.
void CursorImpl::settle_parked(std::vector<SettledParked> settled) {
  {
    const auto store = log_.store->access();
    const std::scoped_lock lock(mutex_);
    for (auto& one : settled) {
      const std::string key = parked_key(name_, one.key);
      const auto is_stored = [&] {
        rocksdb::PinnableSlice value;
        return !store || !store->db()
                              .Get(rocksdb::ReadOptions(), store->family(Family::parked), key, &value)
                              .IsNotFound();
      };
      if (!parking_.erase(key, is_stored)) continue;
      progress_.unpark({.records = 1, .spans = one.spans, .bytes = one.stored_bytes}, one.counts);
      add_dead_locked(std::move(one.dead));
      changed_locked();
    }
  }
  log_.wake();
}

bool CursorImpl::revive(DeadKey key, Parked part) {
  auto value = std::make_shared<const std::string>(encode_parked(part));
  {
    const std::scoped_lock lock(mutex_);
    if (!dropping_.insert(key.key).second) return false;
    count_dead(key.bytes, key.spans, -1);
    std::string parked = parked_key(name_, part.key);
    progress_.revive(Outcome::dead,
                     {.records = 1, .spans = key.spans, .bytes = parked.size() + value->size()});
    parking_.put(std::move(parked), std::move(value));
    changes_.dropped.push_back(std::move(key));
    dead_dirty_ = true;
    changed_locked();
  }
  log_.wake();
  return true;
}

void CursorImpl::revive(Outcome from, Parked part) {
  auto value = std::make_shared<const std::string>(encode_parked(part));
  {
    const std::scoped_lock lock(mutex_);
    std::string parked = parked_key(name_, part.key);
    progress_.revive(from,
                     {.records = 1, .spans = part.header.span_count, .bytes = parked.size() + value->size()});
    parking_.put(std::move(parked), std::move(value));
    changed_locked();
  }
  log_.wake();
}

}  // namespace spanferry::spool
