#include "uploader/assembler.hpp"

#include <algorithm>
#include <utility>

namespace spanferry::uploader {

Assembler::Time Assembler::due_of(const Open& open) const {
  if (draining_ || open.hurried) return Time::min();
  const Time limit = open.first_received + settings_.max_open;
  return open.top_ended ? std::min(open.last_received + settings_.quiet, limit) : limit;
}

void Assembler::wait(const TraceId& trace, Open& open, Time due) {
  open.under_way = open.in_lane = false;
  open.due = due;
  waiting_.emplace(due, open.first, trace);
}

void Assembler::unwait(const TraceId& trace, Open& open) {
  if (open.under_way) return;
  (open.in_lane ? open.lane->second.due : waiting_).erase({open.due, open.first, trace});
}

void Assembler::move_due_to_lanes(Time now) {
  while (!waiting_.empty() && std::get<Time>(*waiting_.begin()) <= now) {
    auto waiting = waiting_.extract(waiting_.begin());
    Open& open = open_.at(std::get<TraceId>(waiting.value()));
    open.in_lane = true;
    Lane& lane = open.lane->second;
    lane.due.insert(std::move(waiting));
    if (!std::exchange(lane.has_turn, true)) turns_.push_back(open.lane);
  }
}

void Assembler::leave(Lanes::iterator lane) {
  if (--lane->second.open > 0) return;
  if (lane->second.has_turn) turns_.remove(lane);
  lanes_.erase(lane);
}

void Assembler::note(const TraceId& trace, Seq seq, bool top_ended, Time received, const Route& route) {
  const auto [it, fresh] = open_.try_emplace(trace);
  Open& open = it->second;
  if (fresh) {
    const auto lane = lanes_.try_emplace(route).first;
    ++lane->second.open;
    open = {.first = seq,
            .last = seq,
            .first_received = received,
            .last_received = received,
            .top_ended = top_ended,
            .due = {},
            .lane = lane};
    wait(trace, open, due_of(open));
    return;
  }
  open.last = std::max(open.last, seq);
  open.last_received = std::max(open.last_received, received);
  open.top_ended |= top_ended;
  if (open.under_way) return;
  unwait(trace, open);
  wait(trace, open, due_of(open));
}

std::optional<Assembler::Due> Assembler::take(Time now) {
  move_due_to_lanes(now);
  while (!turns_.empty()) {
    const auto turn = turns_.front();
    turns_.pop_front();
    Lane& lane = turn->second;
    lane.has_turn = lane.due.size() > 1;
    if (lane.has_turn) turns_.push_back(turn);
    if (lane.due.empty()) continue;  // news came, and it waits again
    const auto [due, first, trace] = lane.due.extract(lane.due.begin()).value();
    open_.at(trace).under_way = true;
    return Due{trace, first};
  }
  return std::nullopt;
}

bool Assembler::still_due(const TraceId& trace, Seq last, bool top_ended, Time last_received, Time now) {
  Open& open = open_.at(trace);
  open.last = std::max(open.last, last);
  open.last_received = std::max(open.last_received, last_received);
  open.top_ended = top_ended;
  const Time due = due_of(open);
  if (due <= now) return true;
  wait(trace, open, due);
  return false;
}

void Assembler::put_back(const TraceId& trace, Time not_before) { wait(trace, open_.at(trace), not_before); }

void Assembler::done(const TraceId& trace, Seq last) {
  const auto it = open_.find(trace);
  if (it == open_.end()) return;
  Open& open = it->second;
  if (open.last <= last) {
    unwait(trace, open);
    leave(open.lane);
    open_.erase(it);
    return;
  }
  open.first = open.last;
  open.first_received = open.last_received;
  open.hurried = false;
  wait(trace, open, due_of(open));
}

std::optional<Assembler::Time> Assembler::next_due() const {
  std::optional<Time> due;
  if (!waiting_.empty()) due = std::get<Time>(*waiting_.begin());
  for (const auto& turn : turns_) {
    if (turn->second.due.empty()) continue;
    const Time first = std::get<Time>(*turn->second.due.begin());
    return due ? std::min(*due, first) : first;
  }
  return due;
}

std::optional<Assembler::Time> Assembler::waits_until(const TraceId& trace) const {
  const auto found = open_.find(trace);
  if (found == open_.end() || found->second.under_way) return std::nullopt;
  return found->second.due;
}

void Assembler::hurry_oldest() {
  const auto oldest =
      std::ranges::min_element(waiting_, {}, [](const Waiting& waiting) { return std::get<Seq>(waiting); });
  if (oldest == waiting_.end()) return;
  const TraceId trace = std::get<TraceId>(*oldest);
  Open& open = open_.at(trace);
  unwait(trace, open);
  open.hurried = true;
  wait(trace, open, due_of(open));
}

void Assembler::drain() {
  draining_ = true;
  waiting_.clear();
  turns_.clear();
  for (auto& [route, lane] : lanes_) {
    lane.due.clear();
    lane.has_turn = false;
  }
  for (auto& [trace, open] : open_) {
    if (!open.under_way) wait(trace, open, due_of(open));
  }
}

}  // namespace spanferry::uploader
