#include "ingest/mlflow_api/recent_requests.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::size_t kMaxRequests = 4096;

}  // namespace

std::int64_t RecentRequests::first_seen(std::uint64_t request, std::int64_t now_ms, std::int64_t window_ms) {
  const std::lock_guard lock(mutex_);
  const auto [it, is_new] = seen_ms_.try_emplace(request, now_ms);
  if (is_new) {
    order_.push_back(request);
    if (order_.size() > kMaxRequests) {
      seen_ms_.erase(order_.front());
      order_.pop_front();
    }
    return now_ms / window_ms;
  }
  if (now_ms - it->second >= window_ms) it->second = now_ms;
  return it->second / window_ms;
}

}  // namespace spanferry::ingest
