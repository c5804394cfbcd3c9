// How the time of a drain is spent. Pure, so that it can be tested without waiting.
//
// An app and its sidecar are told to stop at the same moment: the app flushes its last spans after that, so
// the doors stay open until senders were quiet for a while, counted from the signal at the earliest.
#pragma once

#include <algorithm>
#include <chrono>

namespace spanferry::daemon {

inline constexpr std::chrono::milliseconds kDrainQuiet{2000};
// Kept for closing: requests under way, then what is due for delivery.
inline constexpr std::chrono::milliseconds kDrainReserve{500};

// `elapsed` since the signal.
inline bool doors_may_close(std::chrono::milliseconds timeout, std::chrono::milliseconds elapsed,
                            std::chrono::milliseconds quiet_for) {
  if (elapsed >= timeout - std::min(kDrainReserve, timeout / 2)) return true;
  return std::min(quiet_for, elapsed) >= kDrainQuiet;
}

// For requests that were under way when the doors closed.
inline std::chrono::milliseconds time_for_requests(std::chrono::milliseconds timeout,
                                                   std::chrono::milliseconds elapsed) {
  return std::max((timeout - elapsed) / 2, std::min(kDrainReserve, timeout) / 2);
}

// For delivering what is due: what is left, but never nothing.
inline std::chrono::milliseconds time_for_delivery(std::chrono::milliseconds timeout,
                                                   std::chrono::milliseconds elapsed) {
  return std::max(timeout - elapsed, std::min(kDrainReserve, timeout));
}

}  // namespace spanferry::daemon
