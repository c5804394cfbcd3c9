#include "uploader/early_edits.hpp"

#include <algorithm>

namespace spanferry::uploader {
namespace {

constexpr std::chrono::milliseconds kFirst{1000};
constexpr std::chrono::milliseconds kLongest{600'000};

}  // namespace

void EarlyEdits::wait(const TraceId& trace, Time now) {
  auto found = traces_.find(trace);
  if (found == traces_.end()) {
    if (traces_.size() >= max_traces_) {
      missed_ = true;
      return;
    }
    found = traces_.try_emplace(trace).first;
  }
  State& state = found->second;
  if (state.due) due_.erase({*state.due, trace});
  state.last = std::clamp(state.last * 2, kFirst, kLongest);
  state.due = now + state.last;
  due_.emplace(*state.due, trace);
}

void EarlyEdits::forget(const TraceId& trace) {
  const auto found = traces_.find(trace);
  if (found == traces_.end()) return;
  if (found->second.due) due_.erase({*found->second.due, trace});
  traces_.erase(found);
}

std::optional<TraceId> EarlyEdits::take(Time now) {
  if (due_.empty() || due_.begin()->first > now) return std::nullopt;
  const TraceId trace = due_.begin()->second;
  due_.erase(due_.begin());
  traces_.at(trace).due.reset();
  return trace;
}

std::optional<EarlyEdits::Time> EarlyEdits::next() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

bool EarlyEdits::has_room_again() {
  if (!missed_ || traces_.size() > max_traces_ / 2) return false;
  missed_ = false;
  return true;
}

}  // namespace spanferry::uploader
