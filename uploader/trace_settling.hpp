// Settles what became of a trace, record by record: delivered, deleted, dead with a letter, or parked because
// it has to wait.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "uploader/gathered_trace.hpp"
#include "uploader/trace_outcome.hpp"
#include "uploader/track.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread. Outlived by all it is given. Errors are of the spool: nothing is settled then,
// and the same call may be made again.
class TraceSettling {
 public:
  // `spans_are_ours`: spans that are refused are set aside here; else another track of the destination has
  // them, and they count as delivered.
  TraceSettling(const TrackContext& context, spool::Cursor& cursor, bool spans_are_ours);

  // First what of a delivered trace does not share its fate: parts that are refused or early. True: there
  // were some.
  Result<bool> settle_apart(const GatheredTrace& trace, const TraceOutcome& outcome);
  // Then the rest.
  void settle_rest(const GatheredTrace& trace, TraceOutcome& outcome);
  // The trace is refused: its spans and its info are dead, a letter for each record; edits wait for a trace
  // that an operator may yet have tried again.
  Result<> settle_refused(const TraceId& trace, const std::vector<TracePart>& parts, const Verdict& verdict);
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
  Result<bool> park(Settlement& settlement, const TraceId& trace, const TracePart& part);
  std::vector<spool::DeadLetter> letters_of(const GatheredTrace& trace, TraceOutcome& outcome);
  [[nodiscard]] spool::DeadLetter letter_of(const TraceId& trace, const TracePart& part,
                                            const Verdict& verdict) const;
  // With all that can be sent again.
  Result<spool::DeadLetter> whole_letter_of(const TraceId& trace, const TracePart& part,
                                            const Verdict& verdict) const;
  void note_letters(std::size_t letters, const Verdict& verdict);

  const TrackContext context_;
  spool::Cursor& cursor_;
  const bool spans_are_ours_;
};

}  // namespace spanferry::uploader
