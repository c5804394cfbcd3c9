// Decides when a trace goes: when its top has ended and it has been quiet, or when it has stayed open for too
// long. Knows traces by what was seen of them in the log, holds no spans and has no clock of its own: time is
// what it is told.
//
// What was seen is only a hint to look: the index of the spool knows all records of a trace. So nothing is
// lost when this is, and a restart rebuilds it by walking on from the cursor.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

#include "model/record.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

class Assembler {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Assembler(AssembleSettings settings, std::size_t max_open) : settings_(settings), max_open_(max_open) {}

  // A record with spans of that trace was met. `received`: when it came in.
  void note(const TraceId& trace, Seq seq, bool top_ended, Time received);

  struct Due {
    TraceId trace;
    Seq first = 0;  // the first record noted
  };
  // The next trace that is due; it is under way until put_back or done.
  std::optional<Due> take(Time now);
  // For a trace under way, told what the index knows: still due? If not, it waits again.
  bool still_due(const TraceId& trace, Seq last, bool top_ended, Time last_received, Time now);
  // It cannot go now.
  void put_back(const TraceId& trace, Time not_before);
  // All its records up to `last` are settled. What was noted beyond starts anew.
  void done(const TraceId& trace, Seq last);

  // When take will have something; nothing if no trace waits.
  [[nodiscard]] std::optional<Time> next_due() const;
  // Until when that trace waits; nothing if it is under way or not known.
  [[nodiscard]] std::optional<Time> waits_until(const TraceId& trace) const;
  // No room for more: note nothing new until some are done.
  [[nodiscard]] bool full() const { return open_.size() >= max_open_; }
  [[nodiscard]] std::size_t size() const { return open_.size(); }
  // The waiting trace with the oldest record becomes due.
  void hurry_oldest();
  // From now on all that waits is due.
  void drain();

 private:
  struct Open {
    Seq first = 0, last = 0;
    Time first_received, last_received;
    bool top_ended = false;
    bool hurried = false;
    bool under_way = false;
    Time due;  // its key in waiting_ unless under way
  };
  using Waiting = std::tuple<Time, Seq, TraceId>;

  [[nodiscard]] Time due_of(const Open& open) const;
  void wait(const TraceId& trace, Open& open, Time due);
  void unwait(const TraceId& trace, const Open& open);

  const AssembleSettings settings_;
  const std::size_t max_open_;
  bool draining_ = false;
  std::unordered_map<TraceId, Open> open_;
  std::set<Waiting> waiting_;
};

}  // namespace spanferry::uploader
