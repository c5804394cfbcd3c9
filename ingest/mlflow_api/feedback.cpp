// Feedback from apps in any language: they know the id of their own request, hardly ever that of the trace.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/assessment_book.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/local_trace.hpp"
#include "ingest/mlflow_api/minted.hpp"
#include "ingest/mlflow_api/trace_edits.hpp"
#include "model/mlflow_json.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::size_t kMaxRequestIdBytes = 1024;
constexpr std::size_t kSummariesAtOnce = 1000;
constexpr int kSummaryPages = 50;

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

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
  const std::string now = quoted(mlflow::timestamp(now_ms));
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

// The newest trace that is here with that request id. A summary may hold a part of the id.
Result<std::optional<TraceId>> trace_of_request(Api& api, const std::string& request_id) {
  Seq before = 0;
  for (int page = 0; page < kSummaryPages; ++page) {
    const auto summaries = api.spool.traces(kSummariesAtOnce, before);
    if (!summaries) return std::unexpected(summaries.error());
    for (const auto& summary : *summaries) {
      if (summary.request_id.empty() || !request_id.starts_with(summary.request_id)) continue;
      const auto trace = local_trace(api.spool, summary.trace_id, api.flavor(), api.far_side.context);
      if (!trace) return std::unexpected(trace.error());
      if (*trace && (*trace)->exists() && (*trace)->info.client_request_id == request_id)
        return std::optional(summary.trace_id);
    }
    if (summaries->size() < kSummariesAtOnce || summaries->back().first_seq <= 1) break;
    before = summaries->back().first_seq;
  }
  return std::nullopt;
}

void keep_by_request(Api& api, const Call& call, const std::string& request_id, const std::string& id,
                     const JsonObject& assessment, Reply reply) {
  if (api.is_local())
    return reply(not_there(fmt::format("no trace with client_request_id `{}` is here", request_id)));
  const mlflow::TraceEdit edit = mlflow::FeedbackByRequest{request_id, id, assessment.json()};
  std::vector<spool::Entry> entries;
  entries.push_back(api.entry(call, RecordKind::trace_edit, encode(edit), std::nullopt));
  entries.back().header.idempotency_id = idempotency_id(call);
  api.keep(call, std::move(entries), feedback_answer(id, std::nullopt), std::move(reply));
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
