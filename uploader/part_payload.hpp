// What one record holds of one trace, read from the spool again: for a dead letter, for the parked space, for
// a file that is to go.
#pragma once

#include <memory>
#include <string>

#include "model/ids.hpp"
#include "spool/spool.hpp"
#include "uploader/gathered_trace.hpp"

namespace spanferry::uploader {

// Spans as one OTLP request with those of the trace alone, of other kinds the whole payload. Null: it is
// damaged, or not there any more. Errors: of the spool, which may have it later; nothing is to be settled
// then.
Result<std::shared_ptr<const std::string>> part_payload(spool::Spool& spool, const TraceId& trace,
                                                        const TracePart& part);
// The same of a record that was read already.
std::shared_ptr<const std::string> part_payload(const Record& record, const TraceId& trace);

}  // namespace spanferry::uploader
