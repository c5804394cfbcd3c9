// What one destination cannot settle now, and what must not hold the log for the others: kept apart by trace,
// until it can go. On disk a part is a record of its own (docs/spool-format.md).
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.hpp"
#include "model/record.hpp"
#include "model/result.hpp"
#include "model/status.hpp"
#include "spool/dead_letter.hpp"

namespace spanferry::spool {

// Where a part stands: by trace, then in the order it came in.
struct ParkedKey {
  TraceId trace;  // zero: of no trace
  Seq seq = 0;    // of the record it came in
  SpanId span;    // zero, unless it was the dead letter of one span

  auto operator<=>(const ParkedKey&) const = default;
};

// One trace of one record, or less of it.
struct Parked {
  ParkedKey key;
  RecordHeader header;                         // of this part alone, but received when its record was
  std::shared_ptr<const std::string> payload;  // never null
  std::uint64_t stored_bytes = 0;              // key and value; set by the spool
};

// That trace's part of a record: `spans` of them, in `payload`.
Parked parked_part(const Record& record, const TraceId& trace, std::uint32_t spans,
                   std::shared_ptr<const std::string> payload);
// What a dead letter holds, to be tried again.
Parked parked_letter(DeadLetter letter);

// A part that its destination is done with.
struct SettledParked {
  ParkedKey key;
  std::uint64_t spans = 0, stored_bytes = 0;  // as the part has them
  SpanCounts counts;                          // how its spans left
  std::vector<DeadLetter> dead;               // written in the same batch

  SettledParked(const Parked& part, const SpanCounts& how)
      : key(part.key), spans(part.header.span_count), stored_bytes(part.stored_bytes), counts(how) {}
};

struct ParkedTotals {
  std::uint64_t records = 0, spans = 0, bytes = 0;
  std::uint64_t revived = 0;  // dead letters taken back, since the start of the process
  bool full = false;          // parked_max_bytes is reached, by all together
};

std::string encode_parked(const Parked& part);
// Errors: damaged, unsupported.
Result<Parked> decode_parked(const ParkedKey& key, std::string_view value);

}  // namespace spanferry::spool
