#include "spool/commit_loop.hpp"

#include <algorithm>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "spool/keys.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {

CommitLoop::CommitLoop(const Settings& settings, Parts parts)
    : durability_(settings.durability),
      sync_interval_(settings.sync_interval),
      group_bytes_(settings.memory.group_bytes),
      parts_(std::move(parts)) {}

void CommitLoop::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "commit");
    run();
  });
}

void CommitLoop::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void CommitLoop::append(std::vector<Entry> entries, AppendHandler done) {
  Append append{.entries = std::move(entries), .done = std::move(done)};
  for (const auto& entry : append.entries) {
    append.bytes += entry.payload->size() + kHotRecordOverheadBytes + entry.traces.size() * TraceId::kSize;
  }
  std::optional<Error> refusal = parts_.budget.refusal();
  if (append.entries.empty()) refusal = Error{ErrorKind::invalid_input, "nothing to append"};
  if (append.bytes > kMaxEntryBytes) {
    refusal = Error{ErrorKind::too_large,
                    fmt::format("an append of {} bytes; at most {}", append.bytes, kMaxEntryBytes)};
  }
  if (!refusal) refusal = enqueue(append);
  if (refusal) {
    append.done(std::unexpected(std::move(*refusal)));
  } else {
    wake_.notify_one();
  }
}

std::optional<Error> CommitLoop::enqueue(Append& append) {
  const std::scoped_lock lock(mutex_);
  if (stopping_) return Error{ErrorKind::cancelled, "the spool is closing"};
  if (queued_bytes_ > kQueueBytes)
    return Error{ErrorKind::unavailable, "the disk does not keep up: too much waits to be committed"};
  queued_bytes_ += append.bytes;
  queue_.push_back(std::move(append));
  return std::nullopt;
}

void CommitLoop::add(Rider* rider) {
  {
    const std::scoped_lock lock(mutex_);
    riders_.push_back(rider);
    woken_ = true;
  }
  wake_.notify_one();
}

void CommitLoop::wake() {
  {
    const std::scoped_lock lock(mutex_);
    woken_ = true;
  }
  wake_.notify_one();
}

Spool::Subscription CommitLoop::subscribe(std::function<void()> notify) {
  const std::scoped_lock lock(subscribers_->mutex);
  const auto place = subscribers_->list.insert(subscribers_->list.end(), std::move(notify));
  return Spool::Subscription(nullptr, [all = subscribers_, place](void*) {
    const std::scoped_lock dying(all->mutex);
    all->list.erase(place);
  });
}

CommitLoop::Clock::time_point CommitLoop::riders_due() const {
  auto due = Clock::time_point::max();
  for (const auto* rider : riders_) due = std::min(due, rider->due());
  if (durability_ != Durability::none && unsynced_since_ != Clock::time_point::max()) {
    due = std::min(due, unsynced_since_ + sync_delay());
  }
  return due;
}

bool CommitLoop::next_group(Group& group) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto due = riders_due();
    if (!queue_.empty() || stopping_ || due <= Clock::now() || parts_.events.background_error) break;
    woken_ = false;
    const auto something = [this] { return !queue_.empty() || stopping_ || woken_; };
    if (due == Clock::time_point::max()) {
      wake_.wait(lock, something);
    } else {
      wake_.wait_until(lock, due, something);
    }
  }
  std::size_t bytes = 0;
  while (!queue_.empty() && (group.appends.empty() || bytes + queue_.front().bytes <= group_bytes_)) {
    bytes += queue_.front().bytes;
    queued_bytes_ -= queue_.front().bytes;
    group.appends.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return !group.appends.empty() || !stopping_ || riders_due() != Clock::time_point::max();
}

void CommitLoop::run() {
  for (;;) {
    Group group;
    if (!next_group(group)) return;
    commit(std::move(group));
    if (!failing_) continue;
    recover();
    const std::scoped_lock lock(mutex_);
    if (failing_ && stopping_) return;
  }
}

void CommitLoop::commit(Group group) {
  const auto now = Clock::now();
  std::vector<Rider*> riders;
  {
    const std::scoped_lock lock(mutex_);
    closing_ = stopping_;
    for (auto* rider : riders_) {
      if (stopping_ ? rider->due() != Clock::time_point::max() : rider->wants_to_ride(now))
        riders.push_back(rider);
    }
  }
  group.end = parts_.hot.end();
  refuse_without_room(group);
  rocksdb::Status status;
  {
    const auto store = parts_.store.access();
    auto writing = parts_.store.writing();
    status = parts_.events.background_error ? rocksdb::Status::IOError("an error in the background")
                                            : write(*store, group, riders);
    if (!status.ok()) writing.failed();
  }
  if (!status.ok()) {
    fail_group(group, status);
    return;
  }
  ++groups_;
  stored_bytes_ += group.stored_bytes;
  parts_.budget.wrote(group.stored_bytes);
  for (auto* rider : riders) rider->written();
  settle_riders();
  publish(std::move(group));
}

void CommitLoop::refuse_without_room(Group& group) {
  std::uint64_t bytes = 0;
  for (const auto& append : group.appends) bytes += append.bytes;
  if (bytes == 0 || parts_.budget.room_for(bytes)) return;
  const auto refusal = parts_.budget.refusal();
  for (auto& append : group.appends) {
    append.done(
        std::unexpected(refusal.value_or(Error{ErrorKind::full, "the filesystem has no space left"})));
  }
  group.appends.clear();
}

rocksdb::Status CommitLoop::write(Store& store, Group& group, const std::vector<Rider*>& riders) {
  rocksdb::WriteBatch batch;
  auto status = writer_.write(store, group, parts_.compress(), batch);
  if (!status.ok()) return status;
  bool must_sync = !group.appends.empty();
  for (auto* rider : riders) {
    must_sync = must_sync || rider->must_sync();
    if (std::find(unsynced_.begin(), unsynced_.end(), rider) == unsynced_.end()) unsynced_.push_back(rider);
    rider->write(store, batch);
  }
  if (!group.appends.empty() || !riders.empty()) {
    status =
        batch.Put(store.family(Family::state), slice(kTotalsKey), encode_totals(parts_.first(), group.end));
    if (status.ok()) status = write_batch(store, batch);
    if (!status.ok()) return status;
    if (unsynced_since_ == Clock::time_point::max()) unsynced_since_ = Clock::now();
  }
  return make_durable(store, must_sync);
}

std::chrono::milliseconds CommitLoop::sync_delay() const {
  return durability_ == Durability::interval ? sync_interval_ : kLoneMoveDelay;
}

// Appends wait for their sync, and so do values that were promised. Moves alone are handed to the kernel,
// which is all that a killed process needs, and synced a little later for all of them.
rocksdb::Status CommitLoop::make_durable(Store& store, bool must_sync) {
  const bool sync = closing_ || (durability_ == Durability::commit && must_sync) ||
                    (durability_ != Durability::none && unsynced_since_ != Clock::time_point::max() &&
                     Clock::now() >= unsynced_since_ + sync_delay());
  auto status = store.db().FlushWAL(sync);
  if (sync && status.ok()) {
    ++syncs_;
    unsynced_since_ = Clock::time_point::max();
  }
  return status;
}

// Tells the riders what the last sync covered; without durability there is none to wait for.
void CommitLoop::settle_riders() {
  if (durability_ != Durability::none && unsynced_since_ != Clock::time_point::max()) return;
  for (auto* rider : unsynced_) rider->durable();
  unsynced_.clear();
}

void CommitLoop::publish(Group group) {
  if (group.appends.empty()) return;
  parts_.hot.publish(std::move(group.records), group.end);
  for (std::size_t i = 0; i < group.appends.size(); ++i) group.appends[i].done(group.places[i]);
  tell();
}

void CommitLoop::tell() {
  const std::scoped_lock lock(subscribers_->mutex);
  for (const auto& notify : subscribers_->list) notify();
}

void CommitLoop::fail_group(Group& group, const rocksdb::Status& status) {
  failing_ = true;
  no_space_ = status.IsNoSpace() || parts_.events.no_space;
  parts_.budget.io_failed();
  if (no_space_) parts_.budget.no_space();
  const Error error{no_space_ ? ErrorKind::full : ErrorKind::unavailable,
                    "the spool could not be written: " + status.ToString()};
  spdlog::error("{}; nothing since the last good sync was acknowledged; reopening the store", error.sentence);
  for (auto* rider : unsynced_) rider->failed();
  unsynced_.clear();
  for (auto& append : group.appends) append.done(std::unexpected(error));
  fail_queued(error);
}

void CommitLoop::fail_queued(const Error& error) {
  std::deque<Append> queued;
  {
    const std::scoped_lock lock(mutex_);
    queued.swap(queue_);
    queued_bytes_ = 0;
  }
  for (auto& append : queued) append.done(std::unexpected(error));
}

// A failed sync is never repeated: what the kernel dropped stays dropped. The store is closed without a
// flush, and what its files really hold is read back and written into tables before anything is accepted.
void CommitLoop::recover() {
  const auto since = Clock::now();
  parts_.store.close();
  if (!reopen_until_stopped()) {
    fail_queued({ErrorKind::cancelled, "the spool is closing"});
    return;
  }
  failing_ = false;
  unsynced_since_ = Clock::time_point::max();
  parts_.budget.io_recovered();
  const std::chrono::duration<double> took = Clock::now() - since;
  spdlog::info("spool: the store is open again after {:.1f} s", took.count());
}

bool CommitLoop::reopen_until_stopped() {
  auto delay = kReopenDelayMin;
  std::string told;
  for (;;) {
    parts_.events.background_error = false;
    parts_.events.no_space = false;
    auto end = parts_.reopen(no_space_);
    if (end) {
      parts_.hot.restart(*end);
      return true;
    }
    if (end.error().kind == ErrorKind::full) no_space_ = true;
    if (told != end.error().sentence) {
      spdlog::error("spool: {}; trying again", end.error().sentence);
      told = end.error().sentence;
    }
    fail_queued({ErrorKind::unavailable, "the spool cannot be written and is being reopened"});
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, delay, [this] { return stopping_; })) return false;
    delay = std::min(delay * 2, kReopenDelayMax);
  }
}

}  // namespace spanferry::spool
