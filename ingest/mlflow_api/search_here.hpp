// The traces a search finds in the spool.
#pragma once

#include <string>
#include <vector>

#include "ingest/mlflow_api/api.hpp"
#include "ingest/mlflow_api/search_match.hpp"
#include "ingest/mlflow_api/search_request.hpp"

namespace spanferry::ingest {

struct FoundTrace {
  SearchPlace place;
  LocalTrace trace;
  std::string experiment_id;  // as clients know it
};

// What the spool knows of a trace, from its records or, where some of these are gone, from the summaries it
// keeps of them. Nothing if it knows nothing.
Result<std::optional<LocalTrace>> trace_here(const Api& api, const TraceId& id);
// Whether it is in one of the experiments or tables that are searched.
bool is_searched(const Api& api, const SearchRequest& request, const LocalTrace& trace);

// Whether the far side tells of the trace that this is the newest possible match of. `newer_ns`: when the
// newest record came that says something else of it; 0: there is none.
using LeaveOut = std::function<bool(const spool::TraceGlance&, std::int64_t newer_ns)>;

// The first `most` in the order that was asked for, of all whose first record came before `until`.
Result<std::vector<FoundTrace>> search_here(const Api& api, const SearchRequest& request,
                                            const SearchMatcher& matcher, Seq until, std::size_t most,
                                            const LeaveOut& leave_out);

}  // namespace spanferry::ingest
