// Traces in Unity Catalog tables (V4). CONTRACT 2.3.
#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/minted.hpp"
#include "model/json_object.hpp"
#include "model/mlflow_table.hpp"
#include "model/mlflow_write.hpp"

namespace spanferry::ingest {

void start_trace_v4(Api& api, const Call& call, Reply reply) {
  auto info = mlflow::parse_written_info(call.body);
  if (!info) return reply(answer_of(info.error()));
  if (mlflow::parse_trace_id(call.parts[0]) != info->trace)
    return reply(invalid("the path and the trace info name different traces"));
  if (!mlflow::is_location_path(call.location))
    return reply(invalid("the location must be CATALOG.SCHEMA or CATALOG.SCHEMA.PREFIX"));
  info->location = call.location;
  info->experiment_id.clear();
  mint_assessment_ids(*info);
  LocalTrace trace;
  trace.id = info->trace;
  trace.started = true;
  trace.info = *info;
  for (const std::string& one : info->assessments)
    if (const auto assessment = JsonObject::parse(one, "the assessment")) trace.assessments.put(*assessment);
  auto answer = json_answer("");
  JsonWriter json(answer.body);
  write_trace_info_v4(json, trace, info->location);
  auto entry = api.entry(call, RecordKind::trace_info, encode(*info), info->trace, route_of(call));
  api.keep(call, std::move(entry), std::move(answer), std::move(reply));
}

}  // namespace spanferry::ingest
