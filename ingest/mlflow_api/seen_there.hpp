// Delivered traces that an answer of the far side has shown: until then a search tells of them from here, for
// the far side's own search may be behind its writes (DESIGN 6).
#pragma once

#include <deque>
#include <mutex>
#include <unordered_set>

#include "model/ids.hpp"

namespace spanferry::ingest {

// Any thread. Remembers the last ones only: what it forgets is told from here once more, or not kept any
// more.
class SeenThere {
 public:
  void add(const TraceId& trace) {
    const std::lock_guard lock(mutex_);
    if (!seen_.insert(trace).second) return;
    order_.push_back(trace);
    if (order_.size() <= kMost) return;
    seen_.erase(order_.front());
    order_.pop_front();
  }
  [[nodiscard]] bool has(const TraceId& trace) const {
    const std::lock_guard lock(mutex_);
    return seen_.contains(trace);
  }

 private:
  static constexpr std::size_t kMost = 20'000;
  mutable std::mutex mutex_;
  std::unordered_set<TraceId> seen_;
  std::deque<TraceId> order_;
};

}  // namespace spanferry::ingest
