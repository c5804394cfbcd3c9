// Where the log begins, with its totals. Moved by the trimmer alone. Any thread.
#pragma once

#include <mutex>

#include "spool/progress.hpp"

namespace spanferry::spool {

class LogPlace {
 public:
  explicit LogPlace(const Boundary& first) : first_(first) {}
  [[nodiscard]] Boundary first() const {
    const std::scoped_lock lock(mutex_);
    return first_;
  }
  void move(const Boundary& first) {
    const std::scoped_lock lock(mutex_);
    first_ = first;
  }

 private:
  mutable std::mutex mutex_;
  Boundary first_;
};

}  // namespace spanferry::spool
