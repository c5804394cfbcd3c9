// The commit thread: appends that arrive while a group is on its way to disk join the next one; each group is
// written in batches of about one WAL block, synced once, made visible, and only then answered. After a
// failed write or sync nothing of the group is answered with success: the store is closed and reopened.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "spool/budget.hpp"
#include "spool/group_writer.hpp"
#include "spool/hot_records.hpp"
#include "spool/live_store.hpp"
#include "spool/rider.hpp"
#include "spool/settings.hpp"
#include "spool/spool.hpp"

namespace spanferry::spool {

class CommitLoop {
 public:
  struct Parts {
    LiveStore& store;
    HotRecords& hot;
    Budget& budget;
    StoreEvents& events;
    // Opens the store anew and says where the log ends in it; called on the commit thread after a failure.
    std::function<Result<Boundary>(bool no_space)> reopen;
    std::function<Boundary()> first;  // of the log, written with each group
    std::function<bool()> compress;   // whether payloads are worth the processor's time now
  };
  CommitLoop(const Settings& settings, Parts parts);
  ~CommitLoop() { stop(); }

  void start();
  // Writes what is queued and what the riders have, then ends. Appends from now on are `cancelled`.
  void stop();

  // Any thread.
  void append(std::vector<Entry> entries, AppendHandler done);
  void add(Rider* rider);  // outlives the loop
  void wake();             // a rider has changes
  Spool::Subscription subscribe(std::function<void()> notify);
  void tell();  // the subscribers, that there is something to read

  [[nodiscard]] std::uint64_t groups() const { return groups_; }
  [[nodiscard]] std::uint64_t syncs() const { return syncs_; }
  [[nodiscard]] std::uint64_t stored_bytes() const { return stored_bytes_; }  // since the start
  [[nodiscard]] bool failing() const { return failing_; }

 private:
  using Clock = Rider::Clock;
  struct Subscribers {
    std::mutex mutex;  // held while they are told, so that a handle that died is told no more
    std::list<std::function<void()>> list;
  };

  void run();
  // Takes `append` into the queue, or says why not and leaves it as it is.
  std::optional<Error> enqueue(Append& append);
  // Waits for something to do; false: nothing is left and the loop is to end.
  bool next_group(Group& group);
  [[nodiscard]] Clock::time_point riders_due() const;
  void commit(Group group);
  // Moves go on when appends cannot: they are what makes room.
  void refuse_without_room(Group& group);
  rocksdb::Status write(Store& store, Group& group, const std::vector<Rider*>& riders);
  rocksdb::Status make_durable(Store& store, bool must_sync);
  [[nodiscard]] std::chrono::milliseconds sync_delay() const;
  void publish(Group group);
  void settle_riders();
  void fail_group(Group& group, const rocksdb::Status& status);
  void recover();
  void fail_queued(const Error& error);
  bool reopen_until_stopped();

  const Durability durability_;
  const std::chrono::milliseconds sync_interval_;
  const std::size_t group_bytes_;
  Parts parts_;
  GroupWriter writer_;
  std::vector<Rider*> riders_;  // guarded by mutex_
  std::shared_ptr<Subscribers> subscribers_ = std::make_shared<Subscribers>();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Append> queue_;      // guarded by mutex_
  std::size_t queued_bytes_ = 0;  // guarded by mutex_
  bool stopping_ = false;         // guarded by mutex_
  bool woken_ = false;            // guarded by mutex_
  bool closing_ = false;          // the group being written is one of the last; commit thread
  std::vector<Rider*> unsynced_;  // riders written since the last sync; commit thread
  Clock::time_point unsynced_since_ = Clock::time_point::max();  // commit thread
  std::atomic<std::uint64_t> groups_{0}, syncs_{0}, stored_bytes_{0};
  std::atomic<bool> failing_{false};
  bool no_space_ = false;  // why it is failing; commit thread
  std::thread thread_;
};

}  // namespace spanferry::spool
