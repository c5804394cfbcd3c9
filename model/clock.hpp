// The time of day as records carry it. For intervals there is the steady clock, which does not jump.
#pragma once

#include <chrono>
#include <cstdint>

namespace spanferry {

// Nanoseconds since 1970 began, UTC. Any thread.
inline std::int64_t unix_now_ns() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Milliseconds, as MLflow's bodies have them.
inline std::int64_t unix_now_ms() { return unix_now_ns() / 1'000'000; }

}  // namespace spanferry
