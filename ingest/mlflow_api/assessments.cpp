// Feedback and expectations. CONTRACT 1.6.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/known_trace.hpp"
#include "ingest/mlflow_api/minted.hpp"
#include "ingest/mlflow_api/trace_edits.hpp"
#include "model/json_text.hpp"
#include "model/mlflow_json.hpp"

namespace spanferry::ingest {
namespace {

using mlflow::EditAssessment;

constexpr std::size_t kMaxIdBytes = 128;

// V4 has it bare (CONTRACT 2.3).
Response assessment_answer(const JsonObject& assessment, const Call& call) {
  if (!call.location.empty()) return json_answer(assessment.json());
  return json_answer(R"({"assessment":)" + assessment.json() + "}");
}

Response no_such_assessment(std::string_view id, const TraceId& trace) {
  return not_there(fmt::format("Assessment with ID '{}' not found for trace 'tr-{}'", id, trace.hex()));
}

Result<JsonObject> assessment_in(const Call& call) {
  const auto request = JsonObject::parse(call.body, "the body");
  if (!request) return std::unexpected(request.error());
  if (!call.location.empty()) return in_snake_case(*request);
  const std::string* json = request->find("assessment");
  if (json == nullptr)
    return fail(ErrorKind::invalid_input, "Missing value for required parameter 'assessment'");
  const auto assessment = JsonObject::parse(*json, "assessment");
  if (!assessment) return std::unexpected(assessment.error());
  return in_snake_case(*assessment);
}

// As the server completes one: id and trace first, the source it does not know named so, valid if nothing
// says otherwise.
void complete(JsonObject& assessment, std::string_view id, const TraceId& trace, bool is_v4,
              std::int64_t now_ms) {
  assessment.set_first("trace_id", quoted_json(is_v4 ? trace.hex() : mlflow::trace_name_of(trace)));
  const std::string name = assessment.has("assessment_name") ? *assessment.find("assessment_name") : "\"\"";
  assessment.set_first("assessment_name", name);
  assessment.set_first("assessment_id", quoted_json(id));
  const std::string now = quoted_json(mlflow::timestamp(now_ms));
  if (!assessment.has("source")) assessment.set("source", R"({"source_type":"SOURCE_TYPE_UNSPECIFIED"})");
  if (!assessment.has("create_time")) assessment.set("create_time", now);
  if (!assessment.has("last_update_time")) assessment.set("last_update_time", now);
  if (!assessment.has("valid")) assessment.set("valid", "true");
}

}  // namespace

void create_assessment(Api& api, const Call& call, Reply reply) {
  const auto trace = mlflow::parse_trace_id(call.parts[0]);
  if (!trace) return reply(no_such_trace(call.parts[0]));
  auto assessment = assessment_in(call);
  if (!assessment) return reply(answer_of(assessment.error()));
  if (assessment->text("assessment_name").value_or("").empty()) return reply(missing("assessment_name"));
  if (!assessment->has("feedback") && !assessment->has("expectation"))
    return reply(invalid("Either `feedback` or `expectation` must be specified"));
  std::string id = assessment->text("assessment_id").value_or("");
  if (id.size() > kMaxIdBytes) return reply(invalid("the assessment_id is too long"));
  const std::uint64_t idempotency = idempotency_id(call);
  if (id.empty()) id = minted_assessment_id(api, call);
  complete(*assessment, id, *trace, !call.location.empty(), api.now_ms());
  auto answer = assessment_answer(*assessment, call);
  keep_edit(api, call, *trace, EditAssessment{EditAssessment::Way::create, id, assessment->json(), {}},
            std::move(answer), std::move(reply), idempotency);
}

void get_assessment(Api& api, const Call& call, Reply reply) {
  const auto trace = mlflow::parse_trace_id(call.parts[0]);
  if (!trace) return reply(no_such_trace(call.parts[0]));
  const std::string id(call.parts[1]);
  known_trace(
      api, *trace, place_of(call),
      [id](const LocalTrace& here) { return here.assessments.find(id) != nullptr; },
      [trace = *trace, id, call, reply = std::move(reply)](Result<KnownTrace> known) mutable {
        if (!known) return reply(answer_of(known.error()));
        const JsonObject* found =
            known->trace && known->trace->exists() ? known->trace->assessments.find(id) : nullptr;
        auto answer = found != nullptr ? assessment_answer(*found, call) : no_such_assessment(id, trace);
        if (known->partial) mark_partial(answer);
        reply(std::move(answer));
      });
}

void update_assessment(Api& api, const Call& call, Reply reply) {
  const auto trace = mlflow::parse_trace_id(call.parts[0]);
  if (!trace) return reply(no_such_trace(call.parts[0]));
  auto change = assessment_in(call);
  if (!change) return reply(answer_of(change.error()));
  if (change->has("feedback") && change->has("expectation"))
    return reply(invalid("Cannot specify both `expectation` and `feedback` parameters."));
  const auto body = JsonObject::parse(call.body, "the body");
  std::string mask = body->text("update_mask").value_or(body->text("updateMask").value_or(""));
  std::string id(call.parts[1]);
  if (!call.location.empty()) {
    mask = call.parameter("update_mask").value_or("");
    // A client without a warehouse writes the query with & for its beginning.
    if (const auto query = id.find('&'); query != std::string::npos) {
      Call rest;
      rest.query = std::string_view(call.parts[1]).substr(query + 1);
      mask = rest.parameter("update_mask").value_or(mask);
      id.resize(query);
    }
  }
  change->set("last_update_time", quoted_json(mlflow::timestamp(api.now_ms())));
  EditAssessment edit{EditAssessment::Way::update, std::move(id), change->json(), std::move(mask)};
  auto has_it = [id = edit.id](const LocalTrace& here) { return here.assessments.find(id) != nullptr; };
  known_trace(api, *trace, place_of(call), std::move(has_it),
              [&api, call, trace = *trace, edit = std::move(edit), change = *std::move(change),
               reply = std::move(reply)](Result<KnownTrace> known) mutable {
                if (!known) return reply(answer_of(known.error()));
                AssessmentBook book = known->trace ? known->trace->assessments : AssessmentBook();
                const JsonObject* found = book.find(edit.id);
                if (found == nullptr && !known->partial) return reply(no_such_assessment(edit.id, trace));
                if (found != nullptr && ((change.has("feedback") && found->has("expectation")) ||
                                         (change.has("expectation") && found->has("feedback"))))
                  return reply(invalid("feedback stays feedback, and an expectation an expectation"));
                book.apply(edit);
                found = book.find(edit.id);
                auto answer = assessment_answer(found != nullptr ? *found : change, call);
                append_edit(api, call, trace, edit, std::move(answer), std::move(reply));
              });
}

void delete_assessment(Api& api, const Call& call, Reply reply) {
  const auto trace = mlflow::parse_trace_id(call.parts[0]);
  if (!trace) return reply(no_such_trace(call.parts[0]));
  keep_edit(api, call, *trace,
            EditAssessment{EditAssessment::Way::remove, std::string(call.parts[1]), {}, {}},
            json_answer("{}"), std::move(reply));
}

}  // namespace spanferry::ingest
