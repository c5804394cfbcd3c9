#include "uploader/table_edits.hpp"

#include <fmt/format.h>

#include "model/mlflow_assessment.hpp"
#include "model/mlflow_table.hpp"
#include "model/percent_encode.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

using Fate = EditOutcome::Kind;

// A trace that is not in its table may come.
EditOutcome table_outcome(Verdict verdict) {
  const bool is_missing = verdict.action == Action::not_found;
  EditOutcome outcome = outcome_of(std::move(verdict));
  if (is_missing) outcome.kind = Fate::early;
  return outcome;
}

// In the query the mask is in snake_case, as MLflow's client writes it there.
std::string snake_case(std::string_view mask) {
  std::string out;
  for (const char c : mask) {
    if (c >= 'A' && c <= 'Z') {
      out += '_';
      out += static_cast<char>(c - 'A' + 'a');
    } else {
      out += c;
    }
  }
  return out;
}

std::string base_of(const std::string& path, const TraceId& trace) {
  return fmt::format("/api/4.0/mlflow/traces/{}/{}", percent_encode(path), trace.hex());
}

}  // namespace

asio::awaitable<EditOutcome> TableEdits::apply(std::string path, const TraceId& trace,
                                               const mlflow::TraceEdit& edit, bool may_be_done) {
  std::string base = base_of(path, trace);
  if (const auto* tag = std::get_if<mlflow::SetTag>(&edit)) co_return co_await set_tag(std::move(base), *tag);
  if (const auto* to_run = std::get_if<mlflow::LinkToRun>(&edit))
    co_return co_await link(path, trace, *to_run);
  if (const auto* feedback = std::get_if<mlflow::FeedbackByRequest>(&edit))
    co_return co_await assess(path, trace, feedback->id, feedback->assessment, may_be_done);
  const auto& assessment = std::get<mlflow::EditAssessment>(edit);
  switch (assessment.way) {
    case mlflow::EditAssessment::Way::create:
      co_return co_await assess(path, trace, assessment.id, assessment.assessment, may_be_done);
    case mlflow::EditAssessment::Way::update:
      co_return co_await update(std::move(base),
                                body_of(assessment.assessment, ids_.id_there(assessment.id), path, trace),
                                assessment);
    case mlflow::EditAssessment::Way::remove:
      co_return co_await erase(std::move(base), assessment.id);
  }
  co_return EditOutcome{};
}

std::string TableEdits::body_of(const std::string& assessment, std::string_view id, const std::string& path,
                                const TraceId& trace) {
  const std::string object = mlflow::assessment_with_ids(
      assessment, id, trace.hex(), [this](std::string_view other) { return ids_.id_there(other); });
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("trace_location");
  mlflow::write_trace_location(json, mlflow::table_location(path, {}));
  // The members of the other object follow.
  body += ',';
  body.append(object, 1);
  return body;
}

std::string TableEdits::with_query(std::string path, std::string_view query) const {
  char separator = '?';
  if (!warehouse_.empty()) {
    path += "?sql_warehouse_id=" + percent_encode(warehouse_);
    separator = '&';
  }
  if (!query.empty()) path.append(1, separator).append(query);
  return path;
}

asio::awaitable<Verdict> TableEdits::trace_info(const std::string& path, const TraceId& trace) {
  return info_at(base_of(path, trace));
}

asio::awaitable<Verdict> TableEdits::info_at(std::string base) {
  co_return co_await calls_.call("GET", with_query(base + "/info"));
}

asio::awaitable<EditOutcome> TableEdits::ask_for_trace(std::string base, Verdict otherwise) {
  Verdict verdict = co_await info_at(std::move(base));
  if (verdict.action != Action::done) co_return table_outcome(std::move(verdict));
  const bool is_done = otherwise.action == Action::done;
  co_return EditOutcome{is_done ? Fate::done : Fate::refused, std::move(otherwise)};
}

asio::awaitable<EditOutcome> TableEdits::set_tag(std::string base, const mlflow::SetTag& edit) {
  if (!edit.value) {
    Verdict verdict = co_await calls_.call("DELETE", with_query(base + "/tags/" + percent_encode(edit.key)));
    if (verdict.action != Action::not_found) co_return table_outcome(std::move(verdict));
    // A tag that is not there any more is deleted.
    verdict.action = Action::done;
    co_return co_await ask_for_trace(std::move(base), std::move(verdict));
  }
  std::string body;
  JsonWriter(body).begin_object().field("key", edit.key).field("value", *edit.value).end_object();
  co_return table_outcome(co_await calls_.call("PATCH", base + "/tags", std::move(body)));
}

asio::awaitable<EditOutcome> TableEdits::assess(const std::string& path, const TraceId& trace,
                                                const std::string& id, const std::string& assessment,
                                                bool may_be_done) {
  const std::string base = base_of(path, trace);
  const NewAssessment wanted{id,
                             assessment,
                             base + "/assessments",
                             with_query(base + "/info"),
                             body_of(assessment, id, path, trace),
                             with_query({})};
  co_return table_outcome(co_await creation_.create(wanted, may_be_done));
}

asio::awaitable<EditOutcome> TableEdits::update(std::string base, std::string body,
                                                const mlflow::EditAssessment& edit) {
  const std::string mask =
      edit.update_mask.empty() ? "" : "update_mask=" + percent_encode(snake_case(edit.update_mask));
  std::string path = with_query(base + "/assessments/" + percent_encode(ids_.id_there(edit.id)), mask);
  Verdict verdict = co_await calls_.call("PATCH", std::move(path), std::move(body));
  if (verdict.action != Action::not_found) co_return table_outcome(std::move(verdict));
  co_return co_await ask_for_trace(std::move(base), std::move(verdict));
}

asio::awaitable<EditOutcome> TableEdits::erase(std::string base, std::string id) {
  Verdict verdict =
      co_await calls_.call("DELETE", with_query(base + "/assessments/" + percent_encode(ids_.id_there(id))));
  if (verdict.action != Action::not_found) co_return table_outcome(std::move(verdict));
  verdict.action = Action::done;
  co_return co_await ask_for_trace(std::move(base), std::move(verdict));
}

asio::awaitable<EditOutcome> TableEdits::link(const std::string& path, const TraceId& trace,
                                              const mlflow::LinkToRun& edit) {
  std::string body;
  JsonWriter(body)
      .begin_object()
      .field("location_id", path)
      .key("trace_ids")
      .begin_array()
      .value(trace.hex())
      .end_array()
      .field("run_id", edit.run_id)
      .end_object();
  co_return table_outcome(co_await calls_.call(
      "POST", fmt::format("/api/4.0/mlflow/traces/{}/link-to-run/batchCreate", percent_encode(path)),
      std::move(body)));
}

}  // namespace spanferry::uploader
