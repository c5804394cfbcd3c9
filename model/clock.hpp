// The time of day as records carry it. For intervals there is the steady clock, which does not jump.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace spanferry {

// Nanoseconds since 1970 began, UTC. Any thread.
inline std::int64_t unix_now_ns() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Milliseconds, as MLflow's bodies have them.
inline std::int64_t unix_now_ms() { return unix_now_ns() / 1'000'000; }

// When that was on the steady clock: now, if the time of day was set back since.
inline std::chrono::steady_clock::time_point steady_time_of(std::int64_t unix_ns) {
  const std::int64_t age = std::max<std::int64_t>(0, unix_now_ns() - unix_ns);
  return std::chrono::steady_clock::now() - std::chrono::nanoseconds(age);
}

}  // namespace spanferry
