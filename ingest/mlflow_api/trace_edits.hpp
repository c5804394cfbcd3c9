// Edits of a trace as records.
#pragma once

#include "ingest/mlflow_api/api.hpp"
#include "model/mlflow_write.hpp"

namespace spanferry::ingest {

// Keeps the edit, and answers `answer` once that is durable.
void append_edit(Api& api, const Call& call, const TraceId& id, const mlflow::TraceEdit& edit,
                 Response answer, Reply reply, std::uint64_t idempotency = 0);
// The same, for a trace that is known here or to the far side; it is taken on trust where that one cannot be
// asked. 404 for all others.
void keep_edit(Api& api, const Call& call, const TraceId& id, mlflow::TraceEdit edit, Response answer,
               Reply reply, std::uint64_t idempotency = 0);

}  // namespace spanferry::ingest
