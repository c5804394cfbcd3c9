#include "uploader/health.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "model/clock.hpp"

namespace spanferry::uploader {
namespace {

// A destination that flaps must not fill the log: between two lines about entering a state lies at least
// this.
constexpr std::int64_t kLogEveryNs = 5'000'000'000;

bool is_pause(DestinationState state) {
  return state == DestinationState::paused_auth || state == DestinationState::paused_config;
}

}  // namespace

Health::Health(std::string destination) : destination_(std::move(destination)), since_ns_(unix_now_ns()) {}

void Health::enter(DestinationState state, std::string reason) {
  const std::lock_guard lock(mutex_);
  last_error_ = reason;
  if (state == state_) {
    reason_ = std::move(reason);
    return;
  }
  // From one bad state into another the time counts from the first.
  const std::int64_t now = unix_now_ns();
  if (state_ == DestinationState::ok || is_pause(state) != is_pause(state_)) since_ns_ = now;
  state_ = state;
  reason_ = std::move(reason);
  if (!is_pause(state) && now - logged_ns_ < kLogEveryNs) return;
  logged_ns_ = now;
  told_ = true;
  spdlog::warn("destination {}: {}: {}", destination_, name(state), reason_);
}

void Health::works() {
  proven = true;
  const std::lock_guard lock(mutex_);
  if (state_ == DestinationState::ok) return;
  const std::int64_t now = unix_now_ns();
  if (told_)
    spdlog::info("destination {}: ok again after {:.1f} s of {}", destination_,
                 static_cast<double>(now - since_ns_) / 1e9, name(state_));
  told_ = false;
  state_ = DestinationState::ok;
  since_ns_ = now;
  reason_.clear();
}

void Health::note_error(std::string sentence) {
  const std::lock_guard lock(mutex_);
  last_error_ = std::move(sentence);
}

void Health::set_held(std::vector<HeldRoute> held) {
  const std::lock_guard lock(mutex_);
  held_ = std::move(held);
}

DestinationState Health::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Health::fill(DestinationStatus& status) const {
  status.name = destination_;
  status.requests = requests;
  status.retries = retries;
  status.concurrency = concurrency;
  status.rates.clear();
  for (std::size_t i = 0; i < kCalls; ++i)
    if (const double rate = rates[i]; rate > 0)
      status.rates.push_back({std::string(uploader::name(static_cast<Calls>(i))), rate});
  status.rate_refusals = rate_refusals;
  status.truncated_spans = truncated_spans;
  status.too_large_spans = too_large_spans;
  status.dead_letters = dead_letters;
  status.delivered_traces = delivered_traces;
  const std::lock_guard lock(mutex_);
  status.state = state_;
  status.since_ns = since_ns_;
  status.reason = reason_;
  status.last_error = last_error_;
  status.held_routes = held_;
}

}  // namespace spanferry::uploader
