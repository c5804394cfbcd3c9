// How many requests may be under way at one time: more while they succeed and this is what holds them back,
// half as many when the far side says that it is too much. Numbers alone; who waits for what is for others.
// Source of the method: RFC 5681, section 3.1 (slow start, congestion avoidance), counted in requests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace spanferry::uploader {

class ConcurrencyLimit {
 public:
  // Never above `ceiling`, never below 1.
  explicit ConcurrencyLimit(std::size_t ceiling)
      : ceiling_(std::max<double>(1.0, static_cast<double>(ceiling))),
        limit_(std::min(ceiling_, kFirst)),
        threshold_(ceiling_) {}

  // What is known when a request is sent.
  struct Sent {
    std::uint64_t era = 0;      // between two decreases
    std::size_t under_way = 1;  // requests, with this one
  };
  [[nodiscard]] Sent sent(std::size_t under_way) const { return {era_, under_way}; }

  [[nodiscard]] std::size_t limit() const { return static_cast<std::size_t>(limit_); }

  // A round trip in which all succeed doubles the limit up to half of what was too much, then adds one. So it
  // is only where the limit is nearly used: what was not tried is not known to work.
  void succeeded(Sent sent) {
    if (sent.era != era_ || static_cast<double>(sent.under_way) * 2 < limit_) return;
    limit_ = std::min(ceiling_, limit_ + (limit_ < threshold_ ? 1.0 : 1.0 / limit_));
  }

  // Once for all that was under way together: of a burst that is refused one answer counts. A request that
  // was alone tells nothing about how many are too many.
  void overloaded(Sent sent) {
    if (sent.era != era_ || sent.under_way < 2) return;
    ++era_;
    limit_ = threshold_ = std::max(1.0, limit_ / 2);
  }

 private:
  static constexpr double kFirst = 8;

  const double ceiling_;
  double limit_;
  double threshold_;  // below, a success counts whole
  std::uint64_t era_ = 0;
};

}  // namespace spanferry::uploader
