// Gives up what is parked for longer than max_age and, with when_full: drop_oldest, the oldest of what is
// parked once parked_max_bytes is reached. Parts stand in the order of their traces, so all are looked
// through, in bounded steps. Housekeeping thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "spool/cursor_set.hpp"
#include "spool/settings.hpp"

namespace spanferry::spool {

class ParkedDropper {
 public:
  // `max_bytes`: of all that is parked.
  ParkedDropper(const Settings& settings, CursorSet& cursors, std::uint64_t max_bytes)
      : settings_(settings), cursors_(cursors), max_bytes_(max_bytes) {}

  void step();

 private:
  using Clock = std::chrono::steady_clock;
  // One look through all cursors. What was received before `dropped_before_ns` goes.
  struct Pass {
    std::int64_t dropped_before_ns = 0;
    bool is_for_room = false;     // that is more than max_age asks for
    bool looks_for_room = false;  // and what stays is counted
    std::string cursor{};         // the one looked at; those are taken in the order of their names
    std::optional<ParkedKey> after{};
    // What stays, by the second it was received in: how to make room next, if that is asked for.
    std::map<std::int64_t, std::uint64_t> bytes_of_second{};
  };
  [[nodiscard]] bool is_full() const { return cursors_.parked_bytes() >= max_bytes_; }
  [[nodiscard]] std::optional<Pass> next_pass();
  void look(CursorImpl& cursor, Pass& pass);
  void ended();
  void tell(std::uint64_t spans, bool for_room);

  const Settings& settings_;
  CursorSet& cursors_;
  const std::uint64_t max_bytes_;
  std::optional<Pass> pass_;
  std::optional<std::int64_t> room_before_ns_;  // what must go so that there is room
  Clock::time_point next_look_{};
  std::uint64_t untold_spans_ = 0;
  Clock::time_point last_told_{};
};

}  // namespace spanferry::spool
