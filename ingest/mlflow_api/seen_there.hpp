// Delivered traces that an answer of the far side has shown: until then a search tells of them from here, for
// the far side's own search may be behind its writes (DESIGN 6).
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "model/ids.hpp"
#include "model/record.hpp"

namespace spanferry::ingest {

// An answer tells of a trace's record for sure only if it was asked for after that record was known to be
// delivered. Any thread. Remembers the last traces only: what it forgets is told from here once more, or not
// kept any more.
class SeenThere {
 public:
  // To be called before the far side is asked.
  std::uint64_t ask() {
    const std::lock_guard lock(mutex_);
    return ++asked_;
  }
  // The answer to that question showed the trace, whose records up to `last` are delivered by now.
  void add(const TraceId& trace, Seq last, std::uint64_t asked) {
    const std::lock_guard lock(mutex_);
    const auto [it, inserted] = seen_.try_emplace(trace, Seen{last, asked_, false});
    Seen& seen = it->second;
    if (!inserted && seen.last != last) seen = {last, asked_, false};
    seen.sure |= asked > seen.since;
    if (!inserted) return;
    order_.push_back(trace);
    if (order_.size() <= kMost) return;
    seen_.erase(order_.front());
    order_.pop_front();
  }
  // All up to that record was in an answer.
  [[nodiscard]] bool has(const TraceId& trace, Seq seq) const {
    const std::lock_guard lock(mutex_);
    const auto it = seen_.find(trace);
    return it != seen_.end() && it->second.sure && seq <= it->second.last;
  }

 private:
  struct Seen {
    Seq last = 0;
    std::uint64_t since = 0;  // questions asked when that was first seen
    bool sure = false;
  };
  static constexpr std::size_t kMost = 20'000;
  mutable std::mutex mutex_;
  std::uint64_t asked_ = 0;
  std::unordered_map<TraceId, Seen> seen_;
  std::deque<TraceId> order_;
};

}  // namespace spanferry::ingest
