// Settles what became of a trace, record by record: delivered, deleted, dead with a letter, or parked because
// it has to wait.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "uploader/trace_gather.hpp"
#include "uploader/trace_outcome.hpp"
#include "uploader/track.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread. Outlived by all it is given.
class TraceSettling {
 public:
  // `spans_are_ours`: spans that are refused are set aside here; else another track of the destination has
  // them, and they count as delivered.
  TraceSettling(const TrackContext& context, spool::Cursor& cursor, TraceGatherer& gatherer,
                bool spans_are_ours);

  // First what of a delivered trace does not share its fate: parts that are refused or early. True: there
  // were some.
  bool settle_apart(const GatheredTrace& trace, TraceOutcome& outcome);
  // Then the rest.
  void settle_rest(const GatheredTrace& trace, TraceOutcome& outcome);
  // The trace is refused: its spans and its info are dead; edits wait for a trace that an operator may yet
  // have tried again.
  void settle_refused(const TraceId& trace, const std::vector<TracePart>& parts, const Verdict& verdict);
  // A record of which nobody can tell what is in it.
  void settle_unreadable(const Record& record, std::string_view reason);
  // A record about no trace in particular, or a part of one that was parked; dead if there is a verdict.
  void settle_whole(const Record& record, const std::optional<spool::Parked>& parked, const Verdict* refused);

 private:
  struct Settlement {
    std::vector<spool::Settled> in_log;
    std::vector<spool::SettledParked> in_parked;
  };
  static void add(Settlement& settlement, const TraceId& trace, const TracePart& part,
                  const SpanCounts& counts, std::vector<spool::DeadLetter> dead);
  void settle(Settlement settlement);
  bool park(Settlement& settlement, const TraceId& trace, const TracePart& part);
  std::vector<spool::DeadLetter> letters_of(const GatheredTrace& trace, TraceOutcome& outcome);
  [[nodiscard]] spool::DeadLetter letter_of(const TraceId& trace, const TracePart& part,
                                            const Verdict& verdict);

  const TrackContext context_;
  spool::Cursor& cursor_;
  TraceGatherer& gatherer_;
  const bool spans_are_ours_;
};

}  // namespace spanferry::uploader
