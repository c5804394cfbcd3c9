// Lets go of what nobody needs: decides how far the log may be trimmed, makes that durable in the side file,
// and only then tells the filters. Housekeeping thread only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "spool/budget.hpp"
#include "spool/cursor_set.hpp"
#include "spool/hot_records.hpp"
#include "spool/live_store.hpp"
#include "spool/log_place.hpp"
#include "spool/odometer.hpp"
#include "spool/settings.hpp"

namespace spanferry::spool {

class Trimmer {
 public:
  struct Parts {
    const Settings& settings;
    const Layout& layout;
    LiveStore& store;
    HotRecords& hot;
    Budget& budget;
    CursorSet& cursors;
    LogPlace& place;
    TrimPositions& positions;
    std::function<std::optional<Boundary>(Seq)> boundary_at;  // totals before a record that is there
    std::function<std::uint64_t()> stored_bytes;              // since the start
  };
  explicit Trimmer(Parts parts);

  // Any thread: what is kept after delivery from now on; and that the side file must be written anew.
  void retain(const Settings& settings);
  void cursors_changed() { side_file_is_old_ = true; }

  void start();
  // Keeps what the local view has not come to, from `viewed` on, for a little longer.
  void step(Seq viewed);
  // Whether the slowest reader is more than `bytes` behind the end of the log.
  [[nodiscard]] bool is_behind(std::uint64_t bytes) const;
  // What is written now will stay for long: the slowest reader is far behind, or there is none but the local
  // view. Then a payload's size on disk counts for more than the time to compress it.
  [[nodiscard]] bool will_stay() const;
  // The side file as of now; at the end of a clean stop.
  Result<> write_side_file(const Boundary& first);

 private:
  [[nodiscard]] std::optional<Boundary> candidate() const;
  [[nodiscard]] std::optional<Boundary> not_beyond(std::optional<Boundary> to, Seq viewed) const;
  [[nodiscard]] std::optional<Boundary> retained_from() const;
  void drop_for_room();
  void drop_laggards();
  void drop_for_age();
  std::uint64_t drop_up_to(CursorImpl& cursor, Seq seq);  // returns the spans
  std::uint64_t drop_below(Seq seq);
  void tell_dropped(std::uint64_t spans, std::string_view why);
  void trim(const Boundary& to);
  void trim_summaries();
  void delete_tables(Seq below);

  Parts parts_;
  std::atomic<bool> local_only_, side_file_is_old_ = false;
  std::atomic<std::uint64_t> retain_bytes_;
  std::atomic<std::int64_t> retain_age_s_;
  Odometer odometer_;
  std::chrono::steady_clock::time_point last_trim_{}, last_side_file_{}, last_summaries_{};
  Seq side_file_end_ = 0;
  bool failing_ = false;
  std::uint64_t untold_spans_ = 0;  // dropped since the last line about it
  std::chrono::steady_clock::time_point last_told_{};
};

}  // namespace spanferry::spool
