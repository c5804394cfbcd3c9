#include "ingest/mlflow_api/known_trace.hpp"

#include "ingest/mlflow_api/local_trace.hpp"
#include "model/mlflow_table.hpp"

namespace spanferry::ingest {
namespace {

// V4 is of tables alone.
SpanForm form_in(const TracePlace& place) {
  return place.location.empty() || place.is_a_guess ? SpanForm::stored : SpanForm::of_rows;
}

// What is here, on top of what the far side has.
KnownTrace merged(Api& api, const TraceId& id, SpanForm form, const std::vector<Record>& records,
                  FarTrace there) {
  TraceFold fold(id, api.flavor(), api.far_side.context, form);
  KnownTrace known;
  known.partial = there.partial;
  bool is_there = !records.empty();
  if (there.info) {
    const bool begun = fold.begin_with(*there.info, std::move(there.spans)).has_value();
    known.partial = known.partial || !begun;
    is_there = is_there || begun;
  }
  for (const Record& record : records) fold.add(record);
  if (is_there) known.trace = fold.finish();
  return known;
}

KnownTrace known_here(Api& api, const TraceId& id, SpanForm form, const std::vector<Record>& records) {
  KnownTrace known;
  if (records.empty()) return known;
  TraceFold fold(id, api.flavor(), api.far_side.context, form);
  for (const Record& record : records) fold.add(record);
  known.trace = fold.finish();
  return known;
}

// The client says it in V4 paths. In V3 paths it does not know, if its experiment is linked to a table only
// at the far side: then the trace itself, or its experiment, tells.
TracePlace completed(const Api& api, TracePlace place, const std::optional<LocalTrace>& here) {
  if (!place.location.empty() || api.far_side.kind != WorkspaceReader::Kind::databricks) return place;
  place.is_a_guess = true;
  const LocalTrace nowhere;
  const LocalTrace& trace = here ? *here : nowhere;
  place.location = trace.info.location;
  if (place.location.empty() && !trace.route.table.empty())
    place.location = mlflow::table_location("", trace.route.table).path;
  if (!place.location.empty()) return place;
  if (const auto experiment = api.experiments.by_id(experiment_of(api, trace)))
    for (const auto& [key, value] : experiment->tags)
      if (key == mlflow::kDestinationPathTag) place.location = value;
  return place;
}

void ask(Api& api, const TraceId& id, const TracePlace& place, bool with_spans, std::vector<Record> records,
         KnownTraceHandler done) {
  read_far_trace(api, id, place, with_spans,
                 [&api, id, form = form_in(place), records = std::move(records), done = std::move(done)](
                     FarTrace there) mutable { done(merged(api, id, form, records, std::move(there))); });
}

}  // namespace

TracePlace place_of(const Call& call) {
  return {std::string(call.location), call.parameter("sql_warehouse_id").value_or("")};
}

void known_trace(Api& api, const TraceId& id, TracePlace place, Enough enough, KnownTraceHandler done) {
  auto records = records_of_trace(api.spool, id);
  if (!records) return done(std::unexpected(std::move(records.error())));
  auto here = known_here(api, id, form_in(place), *records);
  if (api.is_local() || (here.trace && (here.trace->deleted || enough(*here.trace))))
    return done(std::move(here));
  ask(api, id, completed(api, std::move(place), here.trace), false, *std::move(records), std::move(done));
}

void whole_trace(Api& api, const TraceId& id, TracePlace place, KnownTraceHandler done) {
  if (api.is_local())
    return known_trace(api, id, std::move(place), [](const LocalTrace&) { return true; }, std::move(done));
  auto records = records_of_trace(api.spool, id);
  if (!records) return done(std::unexpected(std::move(records.error())));
  if (api.may_ask()) {
    const auto here = known_here(api, id, form_in(place), *records);
    place = completed(api, std::move(place), here.trace);
  }
  ask(api, id, place, true, *std::move(records), std::move(done));
}

}  // namespace spanferry::ingest
