#include "ingest/mlflow_api/trace_edits.hpp"

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/known_trace.hpp"

namespace spanferry::ingest {

void append_edit(Api& api, const Call& call, const TraceId& id, const mlflow::TraceEdit& edit,
                 Response answer, Reply reply, std::uint64_t idempotency) {
  auto entry = api.entry(call, RecordKind::trace_edit, encode(edit), id, route_of(call));
  entry.header.idempotency_id = idempotency;
  api.keep(call, std::move(entry), std::move(answer), std::move(reply));
}

void keep_edit(Api& api, const Call& call, const TraceId& id, mlflow::TraceEdit edit, Response answer,
               Reply reply, std::uint64_t idempotency) {
  known_trace(
      api, id, place_of(call), [](const LocalTrace& here) { return here.exists(); },
      [&api, call, id, edit = std::move(edit), answer = std::move(answer), idempotency,
       reply = std::move(reply)](Result<KnownTrace> known) mutable {
        if (!known) return reply(answer_of(known.error()));
        const bool deleted = known->trace && known->trace->deleted;
        const bool is_there = known->trace && known->trace->exists();
        if (deleted || (!is_there && !known->partial)) return reply(no_such_trace(id));
        append_edit(api, call, id, edit, std::move(answer), std::move(reply), idempotency);
      });
}

}  // namespace spanferry::ingest
