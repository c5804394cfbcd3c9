// The operator's route rules in force; they may be replaced while requests come in. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "ingest/settings.hpp"

namespace spanferry::ingest {

class RouteTable {
 public:
  using Rules = std::shared_ptr<const std::vector<RouteRule>>;

  explicit RouteTable(std::vector<RouteRule> rules) { replace(std::move(rules)); }

  // Never null. They stay as they are for as long as they are held.
  [[nodiscard]] Rules rules() const {
    const std::lock_guard lock(mutex_);
    return rules_;
  }
  void replace(std::vector<RouteRule> rules) {
    auto fresh = std::make_shared<const std::vector<RouteRule>>(std::move(rules));
    const std::lock_guard lock(mutex_);
    rules_.swap(fresh);
  }

 private:
  mutable std::mutex mutex_;
  Rules rules_;
};

}  // namespace spanferry::ingest
