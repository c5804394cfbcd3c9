// Decides when a trace goes: when its top has ended and it has been quiet, or when it has stayed open for too
// long; and which goes next: of those that are due the routes take turns, so that the backlog of one
// experiment does not hold up the others. Knows traces by what was seen of them in the log, holds no spans
// and has no clock of its own: time is what it is told.
//
// What was seen is only a hint to look: the index of the spool knows all records of a trace. So nothing is
// lost when this is, and a restart rebuilds it by walking on from the cursor.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
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

  // A record with spans of that trace was met. `received`: when it came in. `route`: a trace has its turns
  // with that of the first record noted.
  void note(const TraceId& trace, Seq seq, bool top_ended, Time received, const Route& route = {});

  struct Due {
    TraceId trace;
    Seq first = 0;  // the first record noted
  };
  // The next trace that is due: the route that has waited longest for its turn, of it the trace that has been
  // due longest. It is under way until put_back or done.
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
  // Noted, and not done.
  [[nodiscard]] bool knows(const TraceId& trace) const { return open_.contains(trace); }
  // No room for more: note nothing new until some are done.
  [[nodiscard]] bool full() const { return open_.size() >= max_open_; }
  [[nodiscard]] std::size_t size() const { return open_.size(); }
  // The waiting trace with the oldest record becomes due.
  void hurry_oldest();
  // From now on all that waits is due.
  void drain();

 private:
  using Waiting = std::tuple<Time, Seq, TraceId>;
  struct ByName {
    bool operator()(const Route& a, const Route& b) const {
      return std::tie(a.experiment_id, a.experiment_name, a.table) <
             std::tie(b.experiment_id, b.experiment_name, b.table);
    }
  };
  // What is here of one route; gone with its last trace.
  struct Lane {
    std::set<Waiting> due;
    std::size_t open = 0;
    bool has_turn = false;
  };
  using Lanes = std::map<Route, Lane, ByName>;
  struct Open {
    Seq first = 0, last = 0;
    Time first_received, last_received;
    bool top_ended = false;
    bool hurried = false;
    bool under_way = false;
    bool in_lane = false;  // it waits there, for the turn of its route; else in waiting_
    Time due;              // its key there, unless under way
    Lanes::iterator lane;
  };

  [[nodiscard]] Time due_of(const Open& open) const;
  void wait(const TraceId& trace, Open& open, Time due);
  void unwait(const TraceId& trace, Open& open);
  void move_due_to_lanes(Time now);
  void leave(Lanes::iterator lane);

  const AssembleSettings settings_;
  const std::size_t max_open_;
  bool draining_ = false;
  std::unordered_map<TraceId, Open> open_;
  std::set<Waiting> waiting_;  // for the time when they are due
  Lanes lanes_;
  std::list<Lanes::iterator> turns_;  // lanes with traces that are due, or were when they got in line
};

}  // namespace spanferry::uploader
