// A spool looked at from outside: read-only, also beside the process that holds it, and by scanning. Nothing
// here is taken from the counters that `status` shows, so that the two can be compared.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.hpp"
#include "model/status.hpp"
#include "spool/dead_letter.hpp"
#include "spool/spool.hpp"

namespace spanferry::spool {

struct InspectedCursor {
  std::string name;
  Seq position = 0;
  std::uint64_t pending_records = 0, pending_spans = 0;  // counted record by record, parked ones included
  ParkedTotals parked{};                                 // of these, counted one by one
  std::uint64_t intervals = 0, marks = 0;
  SpanCounts counts;           // as stored
  std::uint64_t accepted = 0;  // spans since this cursor is there, by the totals
};

struct InspectedDead {
  std::uint64_t letters = 0, spans = 0, bytes = 0;
};

struct Inspection {
  std::string directory;
  Seq first_seq = 0, last_seq = 0;
  std::uint64_t records = 0, spans = 0, payload_bytes = 0;  // that are there, counted
  std::uint64_t appended_records = 0, appended_spans = 0;   // ever, by the running totals
  std::uint64_t disk_bytes = 0;
  std::vector<Gap> gaps;
  std::vector<InspectedCursor> cursors;
  std::map<std::string, InspectedDead> dead;  // by destination
  std::vector<std::string> quarantine, set_aside;
};

// Errors: not_found (no spool there), damaged, io. What a running process has not synced yet may be missing.
Result<Inspection> inspect(const std::string& directory);
// Oldest first; an empty destination means all.
Result<std::vector<DeadLetter>> list_dead(const std::string& directory, std::string_view destination,
                                          std::size_t limit = 1000);
// One after the other, until `use` says false: that of an id, those of a destination by its name, or all.
Result<> each_dead(const std::string& directory, std::string_view which,
                   const std::function<bool(const DeadLetter&)>& use);
Result<std::optional<DeadLetter>> show_dead(const std::string& directory, std::string_view id);

}  // namespace spanferry::spool
