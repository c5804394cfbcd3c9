// StartTrace V3: what a client says about a trace once it is over, despite the name. CONTRACT 1.2, 1.9.
#include <algorithm>

#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/minted.hpp"
#include "model/json_object.hpp"

namespace spanferry::ingest {
namespace {

// The trace info of {"trace": {"trace_info": …}}, whichever names it has.
Result<std::string> trace_info_in(std::string_view body) {
  const auto request = JsonObject::parse(body, "the body");
  if (!request) return std::unexpected(request.error());
  const std::string* trace = request->find("trace");
  if (trace == nullptr) return fail(ErrorKind::invalid_input, "Missing value for required parameter 'trace'");
  const auto parts = JsonObject::parse(*trace, "trace");
  if (!parts) return std::unexpected(parts.error());
  const std::string* info = parts->find("trace_info");
  if (info == nullptr) info = parts->find("traceInfo");
  if (info == nullptr)
    return fail(ErrorKind::invalid_input, "Missing value for required parameter 'trace.trace_info'");
  return *info;
}

}  // namespace

void start_trace(Api& api, const Call& call, Reply reply) {
  const auto json = trace_info_in(call.body);
  if (!json) return reply(answer_of(json.error()));
  auto info = mlflow::parse_written_info(*json);
  if (!info) return reply(answer_of(info.error()));
  if (!std::ranges::all_of(info->experiment_id, [](char c) { return c >= '0' && c <= '9'; }))
    return reply(invalid(fmt::format("the experiment id must be digits, not `{}`",
                                     std::string_view(info->experiment_id).substr(0, 64))));
  mint_assessment_ids(*info);
  Route route;
  route.experiment_id = info->experiment_id;
  LocalTrace trace;
  trace.id = info->trace;
  trace.route = route;
  trace.started = true;
  trace.has_spans = call.sends_spans;  // of the answer's tag alone: where they are to go
  trace.info = *info;
  for (const std::string& one : info->assessments)
    if (const auto assessment = JsonObject::parse(one, "the assessment")) trace.assessments.put(*assessment);
  std::string answer;
  JsonWriter writer(answer);
  writer.begin_object().key("trace").begin_object().key("trace_info");
  write_trace_info(writer, trace, experiment_of(api, trace), call.reader);
  writer.end_object().end_object();
  auto entry = api.entry(call, RecordKind::trace_info, encode(*info), info->trace, std::move(route));
  api.keep(call, std::move(entry), json_answer(std::move(answer)), std::move(reply));
}

void refuse_v2_start(Api& /*api*/, const Call& /*call*/, Reply reply) {
  reply(
      error_answer(400, "BAD_REQUEST",
                   "this client speaks MLflow's first tracing API (V2), in which the server makes the trace "
                   "ids: use mlflow 3.2 or later, or MLFLOW_TRACKING_URI=databricks from 3.1 on"));
}

}  // namespace spanferry::ingest
