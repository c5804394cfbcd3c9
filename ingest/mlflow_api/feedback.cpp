// Feedback from apps in any language: they know the id of their own request, hardly ever that of the trace.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/assessment_book.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/local_trace.hpp"
#include "ingest/mlflow_api/minted.hpp"
#include "ingest/mlflow_api/trace_edits.hpp"
#include "model/json_text.hpp"
#include "model/mlflow_json.hpp"
#include "spool/each_summary.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::size_t kMaxRequestIdBytes = 1024;

Response feedback_answer(std::string_view id, const std::optional<TraceId>& trace) {
  auto answer = json_answer("");
  JsonWriter json(answer.body);
  json.begin_object().field("assessment_id", id);
  if (trace) json.field("trace_id", mlflow::trace_name_of(*trace));
  json.end_object();
  return answer;
}

JsonObject assessment_of(const JsonObject& body, std::string_view id, const std::optional<TraceId>& trace,
                         std::int64_t now_ms) {
  JsonObject assessment;
  assessment.set_text("assessment_id", id);
  assessment.set("assessment_name", *body.find("name"));
  if (trace) assessment.set_text("trace_id", mlflow::trace_name_of(*trace));
  JsonObject source;
  source.set_text("source_type", body.text("source_type").value_or("HUMAN"));
  if (const auto who = body.text("source_id")) source.set_text("source_id", *who);
  assessment.set("source", source.json());
  const std::string now = quoted_json(mlflow::timestamp(now_ms));
  assessment.set("create_time", now);
  assessment.set("last_update_time", now);
  const std::string* value = body.find("value");
  JsonObject feedback;
  feedback.set("value", value == nullptr ? "null" : *value);
  assessment.set("feedback", feedback.json());
  if (const auto why = body.text("rationale")) assessment.set_text("rationale", *why);
  assessment.set("valid", "true");
  return assessment;
}

// The newest trace that is here with that request id.
Result<std::optional<TraceId>> trace_of_request(Api& api, const std::string& request_id) {
  std::optional<TraceId> found;
  std::optional<Error> error;
  const auto visit = [&](const spool::TraceSummary& summary) {
    const auto trace = local_trace(api.spool, summary.trace_id, api.flavor(), api.far_side.context);
    if (!trace) {
      error = trace.error();
      return false;
    }
    if (!*trace || !(*trace)->exists() || (*trace)->info.client_request_id != request_id) return true;
    found = summary.trace_id;
    return false;
  };
  if (auto looked = spool::each_summary_of_request(api.spool, request_id, visit); !looked)
    return std::unexpected(std::move(looked.error()));
  if (error) return std::unexpected(*std::move(error));
  return found;
}

void keep_by_request(Api& api, const Call& call, const std::string& request_id, const std::string& id,
                     const JsonObject& assessment, Reply reply) {
  if (api.is_local())
    return reply(not_there(fmt::format("no trace with client_request_id `{}` is here", request_id)));
  const mlflow::TraceEdit edit = mlflow::FeedbackByRequest{request_id, id, assessment.json()};
  auto entry = api.entry(call, RecordKind::trace_edit, encode(edit), std::nullopt);
  entry.header.idempotency_id = idempotency_id(call);
  api.keep(call, std::move(entry), feedback_answer(id, std::nullopt), std::move(reply));
}

}  // namespace

void give_feedback(Api& api, const Call& call, Reply reply) {
  const auto body = JsonObject::parse(call.body, "the body");
  if (!body) return reply(answer_of(body.error()));
  if (body->text("name").value_or("").empty()) return reply(missing("name"));
  if (!body->has("value")) return reply(missing("value"));
  const auto name = body->text("trace_id");
  const auto request_id = body->text("client_request_id");
  if (name.has_value() == request_id.has_value())
    return reply(invalid("give either client_request_id or trace_id"));
  std::optional<TraceId> trace;
  if (name) {
    trace = mlflow::parse_trace_id(*name);
    if (!trace) return reply(invalid("trace_id must be 32 hex digits, with or without tr- before them"));
  } else {
    if (request_id->empty() || request_id->size() > kMaxRequestIdBytes)
      return reply(invalid(fmt::format("client_request_id must have 1 to {} bytes", kMaxRequestIdBytes)));
    const auto found = trace_of_request(api, *request_id);
    if (!found) return reply(answer_of(found.error()));
    trace = *found;
  }
  const std::string id = minted_assessment_id(api, call);
  const JsonObject assessment = assessment_of(*body, id, trace, api.now_ms());
  if (!trace) return keep_by_request(api, call, *request_id, id, assessment, std::move(reply));
  // It may come before its trace.
  append_edit(api, call, *trace,
              mlflow::EditAssessment{mlflow::EditAssessment::Way::create, id, assessment.json(), {}},
              feedback_answer(id, trace), std::move(reply), idempotency_id(call));
}

}  // namespace spanferry::ingest
