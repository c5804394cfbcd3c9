// The housekeeping thread of the spool: measures, trims, keeps the local view up, in bounded steps.
#include <algorithm>
#include <chrono>
#include <limits>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "spool/dead_reader.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"
#include "spool/spool_impl.hpp"

namespace spanferry::spool {
namespace {

constexpr std::size_t kDeadLettersAStep = 256;

}  // namespace

void SpoolImpl::housekeep() {
  std::uint64_t seen_bytes = loop_.stored_bytes();
  std::chrono::steady_clock::time_point measured{};
  std::unique_lock lock(housekeeping_mutex_);
  while (!housekeeping_wake_.wait_for(lock, kHousekeepingStep, [this] { return stopping_; })) {
    lock.unlock();
    if (opening_.events->background_error) loop_.wake();
    if (const auto now = std::chrono::steady_clock::now(); now >= measured + kMeasureDelay) {
      measured = now;
      budget_.measure();
    }
    if (held_ && !budget_.was_no_space()) release_memtables();
    const std::uint64_t bytes = loop_.stored_bytes();
    const bool calm = bytes - seen_bytes < kViewYieldBytes;
    seen_bytes = bytes;
    if (calm) view_.step();
    trimmer_.step(calm ? view_.next() : std::numeric_limits<Seq>::max());
    compress_ = trimmer_.will_stay();
    hot_.limit(trimmer_.is_behind(kHotReachBytes)
                   ? std::min<std::size_t>(kUnreadHotBytes, settings_.memory.hot_bytes)
                   : settings_.memory.hot_bytes);
    shrink_dead_letters();
    parked_dropper_.step();
    parked_is_full_ = cursors_.parked_bytes() >= parked_max_bytes_;
    if (!held_) keep_reserve_file(opening_.layout, settings_.min_free_bytes);
    lock.lock();
  }
}

void SpoolImpl::release_memtables() {
  const auto store = store_.access();
  const auto writing = store_.writing();
  if (!store || !writing) return;
  held_ = false;
  if (auto released = store->release(); !released) spdlog::warn("spool: {}", released.error().sentence);
}

// Beyond their budget the oldest letters of whoever holds most go: their spans count as dropped.
void SpoolImpl::shrink_dead_letters() {
  const std::uint64_t total = cursors_.dead_letter_bytes();
  if (total <= settings_.dead_letter_max_bytes) return;
  CursorImpl* largest = nullptr;
  for (auto* cursor : cursors_.all()) {
    if (largest == nullptr || cursor->dead().bytes > largest->dead().bytes) largest = cursor;
  }
  const auto store = store_.access();
  if (largest == nullptr || !store) return;
  const std::uint64_t excess = total - settings_.dead_letter_max_bytes;
  std::uint64_t freed = 0;
  std::vector<CursorImpl::DeadKey> keys;
  const std::string prefix = dead_prefix(largest->dead().destination);
  const std::unique_ptr<rocksdb::Iterator> it(
      store->db().NewIterator(rocksdb::ReadOptions(), store->family(Family::dead)));
  for (it->Seek(prefix); it->Valid() && freed < excess && keys.size() < kDeadLettersAStep; it->Next()) {
    if (!view(it->key()).starts_with(prefix)) break;
    const auto letter = decode_dead_letter(view(it->value()));
    if (letter && cursors_.keeper_of(letter->destination, letter->kind) != largest) continue;
    const std::uint64_t bytes = it->key().size() + it->value().size();
    freed += bytes;
    keys.push_back({it->key().ToString(), bytes, letter ? letter->spans : 0});
  }
  if (keys.empty()) return;
  spdlog::warn("spool: dead letters take more than dead_letter_max_bytes {}: dropped the {} oldest of {}",
               bytes_text(settings_.dead_letter_max_bytes), keys.size(), largest->dead().destination);
  largest->drop_dead(std::move(keys));
}

}  // namespace spanferry::spool
