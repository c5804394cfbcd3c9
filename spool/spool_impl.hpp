// The spool put together: store, commit thread, cursors, housekeeping.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "spool/budget.hpp"
#include "spool/commit_loop.hpp"
#include "spool/cursor_set.hpp"
#include "spool/hot_records.hpp"
#include "spool/internals.hpp"
#include "spool/live_store.hpp"
#include "spool/local_view.hpp"
#include "spool/lock_file.hpp"
#include "spool/log_place.hpp"
#include "spool/parked_dropper.hpp"
#include "spool/recovery.hpp"
#include "spool/small_values.hpp"
#include "spool/spool.hpp"
#include "spool/trimmer.hpp"

namespace spanferry::spool {

class SpoolImpl final : public Spool {
 public:
  SpoolImpl(const Settings& settings, const Internals& internals, std::unique_ptr<LockFile> lock,
            StoreOpening opening, Recovered recovered);
  ~SpoolImpl() override;

  void append(std::vector<Entry> entries, AppendHandler done) override;
  bool accepting() const override { return budget_.accepting(); }
  Result<ReadBatch> read(Seq from, std::size_t max_bytes, std::size_t max_records) override;
  Result<std::optional<Record>> get(Seq seq) override;
  Result<std::vector<Seq>> records_of(const TraceId& trace) override;
  Seq end() const override { return hot_.end().seq; }
  Seq first() const override { return place_.first().seq; }
  Subscription subscribe(std::function<void()> notify) override { return loop_.subscribe(std::move(notify)); }
  Result<Cursor*> cursor(const std::string& name, From from) override;
  std::vector<std::string> orphaned_cursors() override;
  void release(const std::string& name) override;
  void forget(const std::string& name, std::move_only_function<void(Result<>)> done) override;
  void retain(const Settings& settings) override { trimmer_.retain(settings); }
  void hold_routes(const std::string& destination, std::vector<Route> routes) override;
  void put(std::string key, std::string value, std::move_only_function<void(Result<>)> done) override;
  void erase(std::string key) override { values_.erase(std::move(key)); }
  Result<std::optional<std::string>> load(std::string_view key) override;
  Result<std::vector<DeadLetter>> dead_letters(std::string_view destination, std::size_t limit) override;
  Result<std::optional<DeadLetter>> dead_letter(std::string_view id) override;
  Result<std::uint64_t> drop_dead_letters(std::string_view which) override;
  Result<std::uint64_t> retry_dead_letters(std::string_view which) override;
  Result<std::vector<TraceSummary>> traces(std::size_t limit, Seq before_seq) override {
    return view_.list(limit, before_seq);
  }
  Result<std::optional<TraceSummary>> summary_of(const TraceId& trace) override {
    return view_.summary_of(trace);
  }
  Result<> glance(const std::function<bool(const TraceGlance&)>& visit) override {
    return view_.glance(visit);
  }
  SpoolStatus status() const override;

 private:
  CursorImpl* add_cursor(const std::string& name, StoredCursor stored);
  CursorImpl::Log cursor_log();
  Result<Boundary> reopen(bool no_space);
  [[nodiscard]] std::optional<Error> refusal_of(const std::vector<Entry>& entries);
  [[nodiscard]] std::optional<Boundary> boundary_at(Seq seq);
  [[nodiscard]] std::int64_t received_ns(Seq seq);
  void note_gap(const Gap& gap);
  [[nodiscard]] std::vector<RemovedDestination> removed() const;
  // Dead letters behind the key `after`, a few at a time.
  struct KeptLetter {
    CursorImpl::DeadKey key;
    DeadLetter letter;
  };
  Result<std::vector<KeptLetter>> next_dead(std::string_view which, std::string_view after);
  Result<std::uint64_t> revive(CursorImpl& cursor, std::vector<KeptLetter> letters);

  void housekeep();
  void shrink_dead_letters();
  void release_memtables();

  const Settings settings_;
  const Internals internals_;
  const std::unique_ptr<LockFile> lock_;
  const StoreOpening opening_;
  const std::string filesystem_;
  const std::vector<std::string> place_warnings_;
  LiveStore store_;
  HotRecords hot_;
  LogPlace place_;
  Budget budget_;
  CursorSet cursors_;
  CommitLoop loop_;
  SmallValues values_;
  LocalView view_;
  Trimmer trimmer_;
  const std::uint64_t quarantined_;
  const std::uint64_t parked_max_bytes_;
  ParkedDropper parked_dropper_;
  std::atomic<bool> parked_is_full_{false};
  std::mutex held_mutex_;  // guards held_routes_
  std::map<std::string, std::vector<Route>> held_routes_;
  std::atomic<bool> any_route_held_{false};

  mutable std::mutex gaps_mutex_;
  std::map<Seq, Gap> gaps_;  // met by any reader, each counted once
  std::uint64_t lost_records_ = 0, lost_spans_ = 0;

  std::mutex cursor_mutex_;  // one new cursor at a time
  std::mutex housekeeping_mutex_;
  std::condition_variable housekeeping_wake_;
  bool stopping_ = false;
  std::atomic<bool> compress_{false};
  std::atomic<bool> held_{false};  // the store keeps its memtables until the disk has room
  std::thread housekeeping_;
};

}  // namespace spanferry::spool
