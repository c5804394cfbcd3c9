// One destination's state as the operator sees it, and its counters. Written on the deliver thread, read from
// any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "model/status.hpp"
#include "uploader/calls.hpp"

namespace spanferry::uploader {

class Health {
 public:
  explicit Health(std::string destination);

  // Enters a state. Logs one line when it is another state than before: what, since when, what to do.
  void enter(DestinationState state, std::string reason);
  // An answer that shows the destination works: back to ok, with a line that says how long it was not.
  void works();
  void note_error(std::string sentence);
  void set_held(std::vector<HeldRoute> held);

  std::atomic<std::uint64_t> requests{0}, retries{0}, dead_letters{0}, delivered_traces{0};
  // Spans that were too large by themselves: delivered with attributes cut, or dead letters.
  std::atomic<std::uint64_t> truncated_spans{0}, too_large_spans{0};
  // How fast requests go (pace.hpp): the most at one time, as it is now; by kind of calls, requests a second,
  // 0 where no limit is known; refusals (429).
  std::atomic<std::uint32_t> concurrency{0};
  std::array<std::atomic<double>, kCalls> rates{};
  std::atomic<std::uint64_t> rate_refusals{0};
  std::atomic<bool> proven = false;  // it has worked since the start

  [[nodiscard]] DestinationState state() const;
  // Fills name, state, since, reason, last_error and the counters.
  void fill(DestinationStatus& status) const;

 private:
  const std::string destination_;
  mutable std::mutex mutex_;  // guards what follows: written rarely, read by status
  DestinationState state_ = DestinationState::ok;
  std::int64_t since_ns_ = 0;
  std::string reason_, last_error_;
  std::vector<HeldRoute> held_;
  std::int64_t logged_ns_ = 0;  // when the last line about entering a state was written
  bool told_ = false;           // that line is about the state we are in
};

}  // namespace spanferry::uploader
