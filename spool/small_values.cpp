#include "spool/small_values.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "spool/keys.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {

void SmallValues::put(std::string key, std::string value, Done done) {
  std::optional<Error> refusal;
  if (key.empty() || key.size() > kMaxPutKeyBytes || value.size() > kMaxPutValueBytes) {
    refusal = Error{ErrorKind::too_large,
                    fmt::format("a value of {} bytes under a key of {}; at most {} under {}", value.size(),
                                key.size(), kMaxPutValueBytes, kMaxPutKeyBytes)};
  } else {
    const std::scoped_lock lock(mutex_);
    if (changes_.size() >= kQueuedPuts)
      refusal = Error{ErrorKind::unavailable, "too many values wait to be written"};
  }
  if (!refusal) {
    change(std::move(key), std::move(value), std::move(done));
  } else if (done) {
    done(std::unexpected(std::move(*refusal)));
  } else {
    spdlog::error("spool: {}", refusal->sentence);
  }
}

void SmallValues::erase(std::string key) { change(std::move(key), std::nullopt, {}); }

void SmallValues::change(std::string key, std::optional<std::string> value, Done done) {
  {
    const std::scoped_lock lock(mutex_);
    changes_.insert_or_assign(std::move(key), Change{std::move(value), false});
    dirty_ = true;
    // Somebody waits: no delay. Else it is in no hurry.
    const auto due = done ? Clock::now() : Clock::now() + kLoneMoveDelay;
    due_ = std::min(due_, due);
    if (done) waiting_.push_back(std::move(done));
  }
  wake_();
}

std::optional<std::optional<std::string>> SmallValues::pending(std::string_view key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = changes_.find(key);
  if (found == changes_.end()) return std::nullopt;
  return found->second.value;
}

Rider::Clock::time_point SmallValues::due() const {
  const std::scoped_lock lock(mutex_);
  return due_;
}

bool SmallValues::wants_to_ride(Clock::time_point) const {
  const std::scoped_lock lock(mutex_);
  return dirty_;
}

bool SmallValues::must_sync() const {
  const std::scoped_lock lock(mutex_);
  return !waiting_.empty();
}

void SmallValues::write(Store& store, rocksdb::WriteBatch& batch) {
  const std::scoped_lock lock(mutex_);
  auto* state = store.family(Family::state);
  for (auto& [key, change] : changes_) {
    if (change.in_flight) continue;  // written before, not synced yet
    if (change.value) {
      batch.Put(state, put_key(key), *change.value).PermitUncheckedError();
    } else {
      batch.Delete(state, put_key(key)).PermitUncheckedError();
    }
    change.in_flight = true;
  }
  for (auto& done : waiting_) waiting_in_flight_.push_back(std::move(done));
  waiting_.clear();
  dirty_ = false;
  due_ = Clock::time_point::max();
}

void SmallValues::durable() {
  std::vector<Done> done;
  {
    const std::scoped_lock lock(mutex_);
    std::erase_if(changes_, [](const auto& entry) { return entry.second.in_flight; });
    done.swap(waiting_in_flight_);
  }
  for (auto& one : done) one(Result<>{});
}

void SmallValues::failed() {
  const std::scoped_lock lock(mutex_);
  for (auto& [key, change] : changes_) change.in_flight = false;
  for (auto& done : waiting_in_flight_) waiting_.push_back(std::move(done));
  waiting_in_flight_.clear();
  dirty_ = !changes_.empty();
  if (dirty_) due_ = Clock::now();
}

void SmallValues::cancel() {
  std::vector<Done> done;
  {
    const std::scoped_lock lock(mutex_);
    done.swap(waiting_);
  }
  for (auto& one : done) one(fail(ErrorKind::cancelled, "the spool is closing"));
}

}  // namespace spanferry::spool
