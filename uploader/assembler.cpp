#include "uploader/assembler.hpp"

#include <algorithm>

namespace spanferry::uploader {

Assembler::Time Assembler::due_of(const Open& open) const {
  if (draining_ || open.hurried) return Time::min();
  const Time limit = open.first_received + settings_.max_open;
  return open.top_ended ? std::min(open.last_received + settings_.quiet, limit) : limit;
}

void Assembler::wait(const TraceId& trace, Open& open, Time due) {
  open.under_way = false;
  open.due = due;
  waiting_.emplace(due, open.first, trace);
}

void Assembler::unwait(const TraceId& trace, const Open& open) {
  if (!open.under_way) waiting_.erase({open.due, open.first, trace});
}

void Assembler::note(const TraceId& trace, Seq seq, bool top_ended, Time received) {
  const auto [it, fresh] = open_.try_emplace(trace);
  Open& open = it->second;
  if (fresh) {
    open = {seq, seq, received, received, top_ended, false, false, {}};
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
  if (waiting_.empty()) return std::nullopt;
  const auto [due, first, trace] = *waiting_.begin();
  if (due > now) return std::nullopt;
  waiting_.erase(waiting_.begin());
  open_.at(trace).under_way = true;
  return Due{trace, first};
}

bool Assembler::still_due(const TraceId& trace, Seq last, bool top_ended, Time last_received, Time now) {
  Open& open = open_.at(trace);
  open.last = std::max(open.last, last);
  open.last_received = std::max(open.last_received, last_received);
  open.top_ended |= top_ended;
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
    open_.erase(it);
    return;
  }
  open.first = open.last;
  open.first_received = open.last_received;
  open.hurried = false;
  wait(trace, open, due_of(open));
}

std::optional<Assembler::Time> Assembler::next_due() const {
  if (waiting_.empty()) return std::nullopt;
  return std::get<Time>(*waiting_.begin());
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
  for (auto& [trace, open] : open_) {
    if (!open.under_way) wait(trace, open, due_of(open));
  }
}

}  // namespace spanferry::uploader
