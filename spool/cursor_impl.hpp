// One destination's progress: the arithmetic of Progress, made durable by riding in commit groups.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "spool/cursor.hpp"
#include "spool/parked_space.hpp"
#include "spool/progress.hpp"
#include "spool/rider.hpp"
#include "spool/trim_filter.hpp"

namespace spanferry::spool {

// What a cursor's dead letters take on disk.
struct DeadStats {
  std::string destination;
  std::uint64_t letters = 0, bytes = 0, spans = 0;
};
std::string encode(const DeadStats& stats);
std::optional<DeadStats> decode_dead_stats(std::string_view bytes);
std::string dead_stats_key(std::string_view cursor);

class CursorImpl final : public Cursor, public Rider {
 public:
  struct Log {  // what a cursor needs of the log
    std::function<Boundary()> end;
    std::function<std::int64_t(Seq)> received_ns;  // of a record; 0 if it cannot be told
    std::function<void()> wake;                    // the commit thread: there are changes
    std::function<void(const Gap&)> lost;          // a hole was met, by whichever reader
    LiveStore* store = nullptr;                    // to read what is parked
    std::function<bool()> parked_is_full;          // parked_max_bytes is reached
    std::shared_ptr<TrimPositions> positions;
  };
  CursorImpl(std::string name, Progress progress, DeadStats dead, Log log);

  // --- Cursor
  const std::string& name() const override { return name_; }
  Seq position() const override;
  bool settled(Seq seq) const override;
  bool settled(Seq seq, const TraceId& trace) const override;
  void settle(std::vector<Settled> settled) override;
  void settle(const Gap& gap) override;
  void when_written(std::move_only_function<void()> done) override;
  Accounting accounting() const override;
  std::uint64_t lag_records() const override;
  std::int64_t oldest_pending_ns() const override;
  void limit_lag(std::optional<std::uint64_t> max_lag_bytes) override;
  ParkedTotals parked() const override;
  Result<std::vector<Parked>> read_parked(const std::optional<ParkedKey>& after,
                                          std::size_t max_bytes) override;
  Result<std::vector<Parked>> parked_of(const TraceId& trace) override;
  void settle_parked(std::vector<SettledParked> settled) override;
  std::uint64_t dead_letters() const override { return dead().letters; }

  // --- Rider
  Clock::time_point due() const override;
  bool wants_to_ride(Clock::time_point now) const override;
  bool must_sync() const override;
  void write(Store& store, rocksdb::WriteBatch& batch) override;
  void written() override;
  void durable() override;
  void failed() override;

  // --- for the spool
  [[nodiscard]] bool active() const;  // asked for in this process
  void activate();
  // Nobody reads by it any more; it had what lies before `end`.
  void release(const Boundary& end);
  [[nodiscard]] std::optional<Boundary> released_at() const;
  [[nodiscard]] Accounting accounting_at_release() const;
  // It goes from the disk with the next group, with its dead letters; begin() makes it anew.
  void forget();
  [[nodiscard]] bool forgotten() const;
  void begin(const Boundary& start);
  [[nodiscard]] Boundary durable_position() const;
  [[nodiscard]] std::string durable_progress() const;  // encoded, as it is on disk
  [[nodiscard]] DeadStats dead() const;
  [[nodiscard]] std::optional<std::uint64_t> max_lag_bytes() const;
  // Gives up what is unsettled before `to`. `to` must be a whole_boundary.
  std::uint64_t settle_below(const Boundary& to, Outcome outcome);
  [[nodiscard]] Seq whole_boundary(Seq seq) const;
  // Dead letters given up for their budget; ride as deletions.
  struct DeadKey {
    std::string key;
    std::uint64_t bytes = 0, spans = 0;
  };
  // Returns how many were not being given up already.
  std::uint64_t drop_dead(std::vector<DeadKey> keys);
  // Takes a dead letter of this destination back: it is parked, to be tried again. False if it is being given
  // up or taken back already.
  bool revive(DeadKey key, Parked part);
  // The same for a second reader of the destination, to which those spans were settled as `from`.
  void revive(Outcome from, Parked part);
  void touch();  // write it, though nothing moved

 private:
  struct MarkWrite {
    Seq seq = 0;
    TraceId trace;
    MarkSize size;
  };
  struct Changes {
    std::vector<MarkWrite> marks;
    std::vector<DeadLetter> dead;
    std::vector<DeadLetter> dead_again;  // written before a failure
    std::vector<DeadKey> dropped;
  };
  void changed_locked();
  void park_locked(const Parked& part, std::shared_ptr<const std::string> value);
  void add_dead_locked(std::vector<DeadLetter> dead);
  Result<std::vector<Parked>> read_range(const ParkedRange& range);
  void count_dead(std::uint64_t bytes, std::uint64_t spans, int sign);
  void write_dead(const Changes& now, Store& store, rocksdb::WriteBatch& batch);
  void clear_what_is_stored(Store& store, rocksdb::WriteBatch& batch);

  const std::string name_;
  const Log log_;
  mutable std::mutex mutex_;  // guards all below; never held while calling log_.wake
  Progress progress_;
  DeadStats dead_;
  Changes changes_;    // since the last write
  Changes in_flight_;  // written, not durable yet
  ParkedChanges parking_;
  std::unordered_set<std::string> dropping_;                      // keys of both, given up
  std::vector<std::move_only_function<void()>> waiters_;          // for what is to be written
  std::vector<std::move_only_function<void()>> waiters_writing_;  // for what is being written
  bool dirty_ = false;
  bool writing_ = false;  // between write and written or failed
  bool dead_dirty_ = false;
  bool active_ = false;
  bool forgotten_ = false;
  bool clear_first_ = false;  // before anything else is written: what an earlier life has stored
  bool clearing_ = false;     // that is written, not durable yet
  std::optional<Boundary> released_at_;
  std::optional<std::uint64_t> max_lag_bytes_;
  bool has_marks_ = true;  // on disk, maybe
  Clock::time_point dirty_since_ = Clock::time_point::max();
  Clock::time_point last_write_{};
  std::size_t last_size_ = 0;
  Boundary written_, durable_;
  std::string written_progress_, durable_progress_;
  mutable Seq oldest_seq_ = 0;  // the record oldest_ns_ belongs to
  mutable std::int64_t oldest_ns_ = 0;
};

}  // namespace spanferry::spool
