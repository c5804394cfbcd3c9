// What a track of traces sets aside in the parked space of its cursor, and how it comes back to it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "uploader/assembler.hpp"
#include "uploader/trace_gather.hpp"
#include "uploader/track.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread.
class TraceParking {
 public:
  using Time = Assembler::Time;

  TraceParking(const TrackContext& context, spool::Cursor& cursor);

  // Another pass over what is parked is wanted: from the start, when a route is released or to be probed, and
  // when dead letters came back (asked by `records_arrived`).
  void look() { look_ = true; }
  void records_arrived();
  // Notes some of the traces whose parts may be tried. True: there may be more. Errors: of the spool.
  Result<bool> note_some(Assembler& assembler);
  // What of that trace is parked and may be tried, after it was under way.
  void note_again(Assembler& assembler, const TraceId& trace);

  // Parks what of the trace is in the log and not settled; the rest stays where it is. Errors: of the spool;
  // nothing is settled then, and it may be asked for again.
  Result<> set_aside(const GatheredTrace& trace);
  // A trace that stays open for long does not hold the log: where the cursor is kept back by more than
  // kMaxRecordsBack records or kMaxBytesBack, the open traces of its oldest records are parked, and stay
  // noted. `walked`: so far the track has looked. True: the cursor moved.
  void walked(Seq next, std::size_t bytes);
  Result<bool> park_laggards(const Assembler& assembler, Seq next, Time now);

 private:
  void begin_pass();
  void note(Assembler& assembler, const spool::Parked& part);
  [[nodiscard]] bool may_try(const Route& route);
  void set_dead(const spool::Parked& part, std::string_view reason);

  const TrackContext context_;
  spool::Cursor& cursor_;
  bool look_ = true;
  bool in_pass_ = false;
  bool probes_only_ = false;
  std::optional<spool::ParkedKey> after_;
  std::unordered_set<std::string> probed_;  // routes, in this pass
  std::uint64_t revived_ = 0, releases_ = 0;
  std::deque<std::pair<Seq, std::size_t>> ahead_;  // looked at beyond the cursor: end of a read, its bytes
  std::size_t ahead_bytes_ = 0;
};

}  // namespace spanferry::uploader
