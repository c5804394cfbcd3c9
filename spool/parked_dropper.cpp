#include "spool/parked_dropper.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include <spdlog/spdlog.h>

#include "model/clock.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {
namespace {

using std::chrono::seconds;

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::size_t kMaxSeconds = 4096;  // told apart in one pass
constexpr std::uint64_t kParkedStep = 16;  // that part of the budget is made free at once

}  // namespace

void ParkedDropper::step() {
  if (!pass_ && cursors_.parked_bytes() == 0) return;
  if (!pass_) pass_ = next_pass();
  if (!pass_) return;
  CursorImpl* cursor = nullptr;
  for (auto* one : cursors_.active())
    if (one->name() >= pass_->cursor && (cursor == nullptr || one->name() < cursor->name())) cursor = one;
  if (cursor == nullptr) return ended();
  if (cursor->name() != pass_->cursor) pass_->after.reset();
  pass_->cursor = cursor->name();
  look(*cursor, *pass_);
}

std::optional<ParkedDropper::Pass> ParkedDropper::next_pass() {
  const seconds max_age = settings_.max_age;
  const bool for_age = max_age.count() > 0 && Clock::now() >= next_look_;
  const bool for_room = settings_.when_full == WhenFull::drop_oldest && is_full();
  if (!for_age && !for_room) return std::nullopt;
  Pass pass{.looks_for_room = for_room};
  if (max_age.count() > 0) {
    pass.dropped_before_ns = unix_now_ns() - max_age.count() * kSecondNs;
    next_look_ = Clock::now() + std::clamp(max_age / kParkedLooks, kParkedLookMin, kParkedLookMax);
  }
  pass.is_for_room = for_room && room_before_ns_ && *room_before_ns_ > pass.dropped_before_ns;
  if (pass.is_for_room) pass.dropped_before_ns = *room_before_ns_;
  room_before_ns_.reset();
  return pass;
}

void ParkedDropper::look(CursorImpl& cursor, Pass& pass) {
  const auto parts = cursor.read_parked(pass.after, kParkedStepBytes);
  if (!parts || parts->empty()) {
    pass.cursor += '\0';  // on to the next one
    pass.after.reset();
    return;
  }
  std::vector<SettledParked> dropped;
  std::uint64_t spans = 0;
  for (const Parked& part : *parts) {
    pass.after = part.key;
    if (part.header.received_ns < pass.dropped_before_ns) {
      dropped.emplace_back(part, SpanCounts::of(Outcome::dropped, part.header.span_count));
      spans += part.header.span_count;
    } else if (pass.looks_for_room && pass.bytes_of_second.size() < kMaxSeconds) {
      pass.bytes_of_second[part.header.received_ns / kSecondNs] += part.stored_bytes;
    } else if (pass.looks_for_room) {
      // The oldest ones are what counts.
      const std::int64_t second = part.header.received_ns / kSecondNs;
      const auto last = std::prev(pass.bytes_of_second.end());
      if (second < last->first) pass.bytes_of_second.erase(last);
      if (second <= pass.bytes_of_second.rbegin()->first) pass.bytes_of_second[second] += part.stored_bytes;
    }
  }
  if (!dropped.empty()) cursor.settle_parked(std::move(dropped));
  tell(spans, pass.is_for_room);
}

void ParkedDropper::ended() {
  const Pass pass = *std::move(pass_);
  pass_.reset();
  if (!pass.looks_for_room || !is_full()) return;
  const std::uint64_t wanted = cursors_.parked_bytes() - max_bytes_ + max_bytes_ / kParkedStep;
  std::uint64_t bytes = 0;
  for (const auto& [second, of_it] : pass.bytes_of_second) {
    room_before_ns_ = (second + 1) * kSecondNs;
    bytes += of_it;
    if (bytes >= wanted) break;
  }
}

void ParkedDropper::tell(std::uint64_t spans, bool for_room) {
  untold_spans_ += spans;
  const auto now = Clock::now();
  if (untold_spans_ == 0 || (last_told_ != Clock::time_point{} && now < last_told_ + kSideFileDelay)) return;
  spdlog::warn("spool: dropped {} spans that were parked: {}", untold_spans_,
               for_room ? "parked_max_bytes is reached (when_full: drop_oldest)" : "older than max_age");
  last_told_ = now;
  untold_spans_ = 0;
}

}  // namespace spanferry::spool
