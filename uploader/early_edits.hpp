// Edits came for these traces, and the far side does not know the traces yet: when to try again. The edits
// themselves are parked. Holds no more than kMaxEarlyTraces; who finds no place waits for room.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "model/ids.hpp"

namespace spanferry::uploader {

inline constexpr std::size_t kMaxEarlyTraces = 16'384;

// One thread; time is what it is told.
class EarlyEdits {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit EarlyEdits(std::size_t max_traces = kMaxEarlyTraces) : max_traces_(max_traces) {}

  // It was tried, in vain: for the first time, or once more.
  void wait(const TraceId& trace, Time now);
  // It was tried, and is done.
  void forget(const TraceId& trace);
  // The next that is due; it is not handed out again before `wait`.
  std::optional<TraceId> take(Time now);
  [[nodiscard]] std::optional<Time> next() const;
  // True once, when there is room again after some found none: look for them in the parked space.
  bool has_room_again();

 private:
  struct State {
    std::chrono::milliseconds last{0};
    std::optional<Time> due;  // nothing: handed out
  };
  const std::size_t max_traces_;
  std::unordered_map<TraceId, State> traces_;
  std::set<std::pair<Time, TraceId>> due_;
  bool missed_ = false;
};

}  // namespace spanferry::uploader
