// Going through all traces that the spool knows something of.
#pragma once

#include <functional>
#include <string_view>

#include "model/result.hpp"
#include "spool/spool.hpp"

namespace spanferry::spool {

// There is such a trace: what is known is not edits alone, nor that it was deleted.
inline bool is_there(const TraceSummary& summary) {
  return !summary.deleted && (summary.spans > 0 || summary.started);
}

// False: it has seen enough.
using VisitSummary = std::function<bool(const TraceSummary&)>;

// Each trace once, by its newest record, the newest first; at most 200,000 of them. Any thread.
// Errors: those of the spool.
Result<> each_summary(Spool& spool, const VisitSummary& visit);

// Of those whose client's request id is that one, as far as summaries tell: two long ones that begin alike
// only their records tell apart.
Result<> each_summary_of_request(Spool& spool, std::string_view client_request_id, const VisitSummary& visit);

}  // namespace spanferry::spool
