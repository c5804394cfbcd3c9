// Reads records from the store and notices what is not there. The size of a hole follows from the running
// totals on its two sides.
#pragma once

#include <optional>

#include "model/result.hpp"
#include "spool/progress.hpp"
#include "spool/spool.hpp"
#include "spool/store.hpp"

namespace spanferry::spool {

struct ReadRange {
  Seq from = 0;
  Boundary end;                   // read no further; totals of everything before it
  std::optional<Boundary> known;  // totals before `from`, where the caller has them
  std::size_t max_bytes = 0, max_records = 0;
};

// Errors: unsupported (a record of a newer version comes next), io.
Result<ReadBatch> read_log(Store& store, const ReadRange& range);

// One record; nothing if it is not there. Errors: damaged, unsupported, io.
Result<std::optional<Record>> get_record(Store& store, Seq seq);
// Its header alone.
Result<std::optional<RecordHeader>> get_header(Store& store, Seq seq);
// Totals after the last readable record before `seq`, not below `floor`; nothing if there is none.
std::optional<Boundary> boundary_after_last(Store& store, Seq seq, Seq floor);

}  // namespace spanferry::spool
