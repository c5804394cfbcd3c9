// Requests that may be repetitions: when each was first seen, for the last few thousand.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <unordered_map>

namespace spanferry::ingest {

// Any thread.
class RecentRequests {
 public:
  // The number of the window in which the request was seen first, if that is no more than a window's length
  // ago, else of the one it is now. Windows are counted from the epoch, so that a process that knows nothing
  // yet gives the same number, unless a window ended in between.
  std::int64_t first_seen(std::uint64_t request, std::int64_t now_ms, std::int64_t window_ms);

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::int64_t> seen_ms_;
  std::deque<std::uint64_t> order_;
};

}  // namespace spanferry::ingest
