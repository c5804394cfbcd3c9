// Keeps a line that may repeat at any rate from filling the log: at most one each `interval`, and the next
// one says how many were left out. Pure: the caller brings the time. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace spanferry {

class LogLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  explicit LogLimiter(std::chrono::milliseconds interval = std::chrono::seconds(10))
      : interval_ns_(std::chrono::nanoseconds(interval).count()) {}

  // Nothing: leave the line out. Else write it; the number is how many were left out since the last one.
  std::optional<std::uint64_t> allow(Clock::time_point now = Clock::now()) {
    const std::int64_t now_ns = std::chrono::nanoseconds(now.time_since_epoch()).count();
    std::int64_t next = next_ns_.load(std::memory_order_relaxed);
    // Only the thread that moves the time on writes the line.
    if (now_ns < next ||
        !next_ns_.compare_exchange_strong(next, now_ns + interval_ns_, std::memory_order_relaxed)) {
      suppressed_.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    }
    return suppressed_.exchange(0, std::memory_order_relaxed);
  }

 private:
  const std::int64_t interval_ns_;
  std::atomic<std::int64_t> next_ns_{INT64_MIN};
  std::atomic<std::uint64_t> suppressed_{0};
};

}  // namespace spanferry
