#include "uploader/trace_edits.hpp"

#include <fmt/format.h>

#include "model/json_writer.hpp"
#include "model/mlflow_assessment.hpp"
#include "model/mlflow_json.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/verdict.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

using Fate = EditOutcome::Kind;

// An MLflow server says so of a tag for a trace that it does not know (CONTRACT 1.5), and of other things.
bool may_be_unknown_trace(const Verdict& verdict) {
  return verdict.action == Action::not_found ||
         (verdict.status == 400 && error_code_of(verdict.response.body) == "BAD_REQUEST");
}

// Below what path of its own the server takes files for artifacts that are at `location`; nothing where they
// are in a storage that clients write to themselves. CONTRACT 1.2, 1.3.
std::optional<std::string> served_below(std::string_view location) {
  constexpr std::string_view kServed = "mlflow-artifacts:/";
  if (!location.starts_with(kServed)) return std::nullopt;
  location.remove_prefix(kServed.size());
  if (location.starts_with('/'))  // and its own address
    location.remove_prefix(std::min(location.find('/', 1), location.size()));
  while (location.starts_with('/')) location.remove_prefix(1);
  return std::string(location);
}

std::string percent_encoded_path(std::string_view path) {
  std::string encoded;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    encoded += "/" + percent_encode(path.substr(at, end - at));
    at = end + 1;
  }
  return encoded;
}

std::string assessments_path(const TraceId& trace, std::string_view id = {}) {
  std::string path = fmt::format("/api/3.0/mlflow/traces/{}/assessments", mlflow::trace_name_of(trace));
  if (!id.empty()) path += "/" + percent_encode(id);
  return path;
}

std::string trace_path(const TraceId& trace) {
  const std::string id = mlflow::trace_name_of(trace);
  return fmt::format("/api/3.0/mlflow/traces/{}?trace_id={}", id, id);
}

}  // namespace

EditOutcome outcome_of(Verdict verdict) {
  Fate kind = Fate::refused;
  if (verdict.action == Action::done) kind = Fate::done;
  if (verdict.action == Action::stopped) kind = Fate::stopped;
  if (verdict.action == Action::held) kind = Fate::early;
  return {kind, std::move(verdict)};
}

asio::awaitable<EditOutcome> TraceEdits::apply(const TraceId& trace, const mlflow::TraceEdit& edit,
                                               bool may_be_done) {
  if (const auto* tag = std::get_if<mlflow::SetTag>(&edit)) co_return co_await set_tag(trace, *tag);
  if (const auto* to_run = std::get_if<mlflow::LinkToRun>(&edit)) co_return co_await link(trace, *to_run);
  if (const auto* feedback = std::get_if<mlflow::FeedbackByRequest>(&edit))
    co_return co_await assess(trace, feedback->id, feedback->assessment, may_be_done);
  const auto& assessment = std::get<mlflow::EditAssessment>(edit);
  switch (assessment.way) {
    case mlflow::EditAssessment::Way::create:
      co_return co_await assess(trace, assessment.id, assessment.assessment, may_be_done);
    case mlflow::EditAssessment::Way::update:
      co_return co_await update(trace, assessment);
    case mlflow::EditAssessment::Way::remove:
      co_return co_await erase(trace, assessment.id);
  }
  co_return EditOutcome{};
}

// Whether it was the trace that was missing, or something of it.
asio::awaitable<EditOutcome> TraceEdits::ask_for_trace(const TraceId& trace, Verdict otherwise) {
  Verdict verdict = co_await calls_.trace_info(trace);
  if (verdict.action == Action::done) {
    const bool is_done = otherwise.action == Action::done;
    co_return EditOutcome{is_done ? Fate::done : Fate::refused, std::move(otherwise)};
  }
  if (verdict.action == Action::not_found) {
    verdict.reason = "there is no such trace: " + verdict.reason;
    co_return EditOutcome{Fate::early, std::move(verdict)};
  }
  co_return outcome_of(std::move(verdict));
}

asio::awaitable<EditOutcome> TraceEdits::set_tag(const TraceId& trace, const mlflow::SetTag& edit) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("key", edit.key);
  if (edit.value) json.field("value", *edit.value);
  json.end_object();
  // Always below 2.0, whatever the version of the API.
  Verdict verdict = co_await calls_.call(
      edit.value ? "PATCH" : "DELETE",
      fmt::format("/api/2.0/mlflow/traces/{}/tags", mlflow::trace_name_of(trace)), std::move(body));
  if (!may_be_unknown_trace(verdict)) co_return outcome_of(std::move(verdict));
  // A tag that is not there any more is deleted.
  if (!edit.value && verdict.action == Action::not_found) verdict.action = Action::done;
  co_return co_await ask_for_trace(trace, std::move(verdict));
}

asio::awaitable<EditOutcome> TraceEdits::assess(const TraceId& trace, const std::string& id,
                                                const std::string& assessment, bool may_be_done) {
  NewAssessment wanted{id, assessment, assessments_path(trace), trace_path(trace), {}, {}};
  JsonWriter json(wanted.body);
  json.begin_object().key("assessment");
  json.raw(mlflow::assessment_with_ids(assessment, id, mlflow::trace_name_of(trace),
                                       [this](std::string_view other) { return ids_.id_there(other); }));
  json.end_object();
  Verdict verdict = co_await creation_.create(wanted, may_be_done);
  if (verdict.action == Action::not_found) co_return EditOutcome{Fate::early, std::move(verdict)};
  co_return outcome_of(std::move(verdict));
}

asio::awaitable<EditOutcome> TraceEdits::update(const TraceId& trace, const mlflow::EditAssessment& edit) {
  const std::string id = ids_.id_there(edit.id);
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("assessment");
  json.raw(mlflow::assessment_with_ids(edit.assessment, id, mlflow::trace_name_of(trace),
                                       [this](std::string_view other) { return ids_.id_there(other); }));
  if (!edit.update_mask.empty()) json.field("update_mask", edit.update_mask);
  json.end_object();
  Verdict verdict = co_await calls_.call("PATCH", assessments_path(trace, id), std::move(body));
  if (!may_be_unknown_trace(verdict)) co_return outcome_of(std::move(verdict));
  co_return co_await ask_for_trace(trace, std::move(verdict));
}

asio::awaitable<EditOutcome> TraceEdits::erase(const TraceId& trace, const std::string& id) {
  Verdict verdict = co_await calls_.call("DELETE", assessments_path(trace, ids_.id_there(id)));
  if (!may_be_unknown_trace(verdict)) co_return outcome_of(std::move(verdict));
  if (verdict.action == Action::not_found) verdict.action = Action::done;
  co_return co_await ask_for_trace(trace, std::move(verdict));
}

asio::awaitable<EditOutcome> TraceEdits::link(const TraceId& trace, const mlflow::LinkToRun& edit) {
  std::string body;
  JsonWriter(body)
      .begin_object()
      .key("trace_ids")
      .begin_array()
      .value(mlflow::trace_name_of(trace))
      .end_array()
      .field("run_id", edit.run_id)
      .end_object();
  Verdict verdict = co_await calls_.call("POST", "/api/2.0/mlflow/traces/link-to-run", std::move(body));
  if (!may_be_unknown_trace(verdict)) co_return outcome_of(std::move(verdict));
  co_return co_await ask_for_trace(trace, std::move(verdict));
}

asio::awaitable<EditOutcome> TraceEdits::put_file(const TraceId& trace, std::string_view experiment,
                                                  const mlflow::Artifact& file) {
  Verdict known = co_await calls_.trace_info(trace);
  if (known.action == Action::not_found) co_return EditOutcome{Fate::early, std::move(known)};
  if (known.action != Action::done) co_return outcome_of(std::move(known));
  std::string below = fmt::format("{}/traces/{}/artifacts", experiment, mlflow::trace_name_of(trace));
  if (const auto info = mlflow::parse_trace_info(known.response.body)) {
    const auto location = info->tags.find("mlflow.artifactLocation");
    if (location != info->tags.end()) {
      auto served = served_below(location->second);
      if (!served) {
        known.action = Action::split;
        known.reason =
            fmt::format("the server keeps files of this trace at {}, and does not take them itself",
                        std::string_view(location->second).substr(0, 256));
        co_return EditOutcome{Fate::refused, std::move(known)};
      }
      below = *std::move(served);
    }
  }
  net::HttpRequest request;
  request.method = "PUT";
  request.url =
      join_url(context_.settings.url, "/api/2.0/mlflow-artifacts/artifacts" + percent_encoded_path(below) +
                                          percent_encoded_path(file.path));
  request.headers.emplace_back("Content-Type", "application/octet-stream");
  request.body.push_back(std::make_shared<const std::string>(file.bytes));
  request.timeout = context_.settings.timeout;
  co_return outcome_of(co_await calls_.send(Surface::mlflow_api, std::move(request)));
}

asio::awaitable<EditOutcome> TraceEdits::remove(const TraceId& trace, std::string experiment) {
  const std::string name = mlflow::trace_name_of(trace);
  for (bool again = false;; again = true) {
    std::string body;
    JsonWriter(body)
        .begin_object()
        .field("experiment_id", experiment)
        .key("request_ids")
        .begin_array()
        .value(name)
        .end_array()
        .end_object();
    Verdict verdict = co_await calls_.call("POST", "/api/2.0/mlflow/traces/delete-traces", std::move(body));
    if (verdict.action != Action::done && verdict.action != Action::not_found)
      co_return outcome_of(std::move(verdict));
    // It may be in another experiment, or somebody may have put it there anew.
    Verdict there = co_await calls_.trace_info(trace);
    if (there.action == Action::not_found)
      there.action = Action::done;
    else if (there.action == Action::done) {
      const auto known = mlflow::parse_trace_info(there.response.body);
      const bool elsewhere = known && known->experiment_id != experiment;
      if (elsewhere && !again) {
        experiment = known->experiment_id;
        continue;
      }
      verdict.action = Action::split;
      verdict.reason = "the trace is still there after its deletion was taken";
      co_return EditOutcome{Fate::refused, std::move(verdict)};
    }
    co_return outcome_of(std::move(there));
  }
}

}  // namespace spanferry::uploader
