// A trace as far as it is known: what the spool has of it, on top of what the far side says, where there is
// one that answers.
#pragma once

#include <functional>
#include <optional>

#include "ingest/mlflow_api/api.hpp"
#include "ingest/mlflow_api/far_trace.hpp"

namespace spanferry::ingest {

struct KnownTrace {
  std::optional<LocalTrace> trace;  // nothing: nobody who was asked knows it
  bool partial = false;             // the far side was not asked, or did not answer
};

// As far as the call says: completed by what is known of the trace and its experiment.
TracePlace place_of(const Call& call);

// `done` is called once, on this thread or another. The far side is only asked when what is here is not
// `enough`. Errors: those of the spool.
using Enough = std::move_only_function<bool(const LocalTrace&)>;
using KnownTraceHandler = std::move_only_function<void(Result<KnownTrace>)>;
void known_trace(Api& api, const TraceId& id, TracePlace place, Enough enough, KnownTraceHandler done);

// Info, assessments and spans; nothing here is enough while the far side can be asked.
void whole_trace(Api& api, const TraceId& id, TracePlace place, KnownTraceHandler done);

}  // namespace spanferry::ingest
