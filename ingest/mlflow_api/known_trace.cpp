#include "ingest/mlflow_api/known_trace.hpp"

#include <fmt/format.h>

#include "ingest/mlflow_api/local_trace.hpp"
#include "model/json_object.hpp"

namespace spanferry::ingest {
namespace {

// A server's answer to GET traces/ID or traces/get, and on top of it what is here.
Result<KnownTrace> merged(Api& api, const TraceId& id, const std::vector<Record>& records,
                          const Result<WorkspaceAnswer>& answer) {
  TraceFold fold(id, api.flavor(), api.far_side.context);
  KnownTrace known;
  bool is_there = !records.empty();
  known.partial = !answer || (answer->status != 200 && answer->status != 404);
  if (answer && answer->status == 200) {
    const auto body = JsonObject::parse(answer->body, "the answer");
    const std::string* trace = body ? body->find("trace") : nullptr;
    const auto parts =
        trace == nullptr ? JsonObject::parse("{}", "") : JsonObject::parse(*trace, "the trace");
    const std::string* info = parts ? parts->find("trace_info") : nullptr;
    std::vector<mlflow::StoredSpan> spans;
    if (const std::string* list = parts ? parts->find("spans") : nullptr)
      if (auto read = parse_otlp_spans(*list)) spans = *std::move(read);
    known.partial = info == nullptr || !fold.begin_with(*info, std::move(spans));
    is_there = is_there || !known.partial;
  }
  for (const Record& record : records) fold.add(record);
  if (is_there) known.trace = fold.finish();
  return known;
}

void ask(Api& api, const TraceId& id, std::string path, std::vector<Record> records, KnownTraceHandler done) {
  if (!api.may_ask())
    return done(merged(api, id, records, fail(ErrorKind::unavailable, "the destination is away")));
  WorkspaceRequest request;
  request.path = std::move(path);
  request.max_answer_bytes = 64U << 20;
  api.reader()->read(std::move(request),
                     [&api, id, records = std::move(records), done = std::move(done)](
                         Result<WorkspaceAnswer> answer) mutable { done(merged(api, id, records, answer)); });
}

Result<KnownTrace> known_here(Api& api, const TraceId& id, const std::vector<Record>& records) {
  KnownTrace known;
  if (records.empty()) return known;
  TraceFold fold(id, api.flavor(), api.far_side.context);
  for (const Record& record : records) fold.add(record);
  known.trace = fold.finish();
  return known;
}

}  // namespace

void known_trace(Api& api, const TraceId& id, Enough enough, KnownTraceHandler done) {
  auto records = records_of_trace(api.spool, id);
  if (!records) return done(std::unexpected(std::move(records.error())));
  auto here = known_here(api, id, *records);
  if (api.is_local() || (here->trace && (here->trace->deleted || enough(*here->trace))))
    return done(std::move(here));
  ask(api, id, fmt::format("/api/3.0/mlflow/traces/tr-{0}?trace_id=tr-{0}", id.hex()), *std::move(records),
      std::move(done));
}

void whole_trace(Api& api, const TraceId& id, KnownTraceHandler done) {
  if (api.is_local()) return known_trace(api, id, [](const LocalTrace&) { return true; }, std::move(done));
  auto records = records_of_trace(api.spool, id);
  if (!records) return done(std::unexpected(std::move(records.error())));
  const bool has_both = api.far_side.kind == WorkspaceReader::Kind::mlflow;
  ask(api, id,
      has_both ? fmt::format("/api/3.0/mlflow/traces/get?trace_id=tr-{}&allow_partial=true", id.hex())
               : fmt::format("/api/3.0/mlflow/traces/tr-{0}?trace_id=tr-{0}", id.hex()),
      *std::move(records), std::move(done));
}

}  // namespace spanferry::ingest
