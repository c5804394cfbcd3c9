// Records of what an MLflow client writes beside spans, and a far side that keeps it: tags, assessments and
// deletions by MLflow's REST API.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include <simdjson.h>

#include "model/mlflow_assessment.hpp"
#include "model/mlflow_write.hpp"
#include "tests/unit/uploader/trace_fixture.hpp"
#include "uploader/trace_marks.hpp"

namespace spanferry::testing {

// The track that delivers the spans: done with all that it has met.
class PromptSpans final : public uploader::Track {
 public:
  explicit PromptSpans(spool::Cursor& cursor) : cursor_(cursor) {}
  void start() override {}
  void records_arrived() override {}
  void drain() override {}
  void stop() override {}
  spool::Cursor& cursor() override { return cursor_; }
  bool settled(Seq /*seq*/, const TraceId& /*trace*/) const override { return true; }

 private:
  spool::Cursor& cursor_;
};

struct WrittenFixture : TraceFixture {
  using Tags = std::map<std::string, std::string>;
  struct There {
    std::string experiment;
    std::string client_request_id;
    Tags tags;
    std::map<std::string, std::string> assessments;  // by id: the JSON
  };
  std::map<std::string, There> there;                                       // by trace id
  std::function<std::optional<Verdict>(const FakeWorkspace::Call&)> first;  // asked before `there`
  std::string minted;  // what the far side calls the next assessment; empty: as it is asked to
  int spans_puts = 0;

  WrittenFixture() {
    workspace.intervene = [this](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
      if (first)
        if (auto verdict = first(call)) return verdict;
      return serve(call);
    };
  }

  void feedback(const std::string& request = "r-1") {
    write(RecordKind::trace_edit, 0,
          mlflow::encode(mlflow::TraceEdit(mlflow::FeedbackByRequest{
              request, "a-1", R"({"assessment_name":"n","feedback":{"value":true}})"})));
  }
  // In the local view.
  void list_here(std::uint32_t trace, const std::string& request = "r-1") {
    spool::TraceSummary summary;
    summary.trace_id = trace_of(trace);
    summary.first_seq = 1;
    summary.spans = 1;
    summary.request_id = request;
    spool.summaries.push_back(summary);
  }

  static std::string text_of(std::string_view json, std::initializer_list<const char*> path) {
    simdjson::dom::parser parser;
    simdjson::dom::element at;
    if (parser.parse(simdjson::padded_string(json)).get(at) != simdjson::SUCCESS) return {};
    for (const char* key : path)
      if (at.at_key(key).get(at) != simdjson::SUCCESS) return {};
    std::string_view text;
    return at.get_string().get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::minify(at);
  }

  std::optional<Verdict> serve(const FakeWorkspace::Call& call) {
    if (call.surface == Surface::storage) return std::nullopt;
    const auto has = [&call](std::string_view text) { return call.what.find(text) != std::string::npos; };
    if (has("/credentials-for-data")) return std::nullopt;
    if (has("delete-traces")) {
      if (call.body.find("tr-") == std::string::npos) return answer(200, "{}");
      const std::string id = call.body.substr(call.body.find("tr-"), 35);
      if (there.contains(id) && there[id].experiment == text_of(call.body, {"experiment_id"}))
        there.erase(id);
      return answer(200, "{}");
    }
    if (has("/link-to-run")) return answer(200, "{}");
    if (call.what.ends_with("/mlflow/traces")) return told(call.body);
    const std::size_t at = call.what.find("tr-");
    if (at == std::string::npos) return std::nullopt;
    const std::string id = call.what.substr(at, 35);
    if (!there.contains(id)) return unknown(call, id);
    There& trace = there[id];
    if (has("/tags")) return change_tag(trace, call);
    if (has("/assessments")) return change_assessment(trace, call);
    if (!has("?trace_id=")) return std::nullopt;
    std::string assessments;
    for (const auto& [assessment, json] : trace.assessments)
      assessments += (assessments.empty() ? "" : ",") + json;
    return answer(200, R"({"trace":{"trace_info":{"trace_id":")" + id +
                           R"(","trace_location":{"mlflow_experiment":{"experiment_id":")" +
                           trace.experiment + R"("}},"assessments":[)" + assessments + "]}}}");
  }
  static Verdict unknown(const FakeWorkspace::Call& call, const std::string& /*id*/) {
    if (!call.what.starts_with("PATCH") || call.what.find("/tags") == std::string::npos)
      return refusal(Action::not_found, 404);
    Verdict verdict = refusal(Action::split, 400);
    verdict.response.body = R"({"error_code":"BAD_REQUEST"})";
    return verdict;
  }
  Verdict told(const std::string& body) {
    There& trace = there[text_of(body, {"trace", "trace_info", "trace_id"})];
    trace.experiment =
        text_of(body, {"trace", "trace_info", "trace_location", "mlflow_experiment", "experiment_id"});
    trace.client_request_id = text_of(body, {"trace", "trace_info", "client_request_id"});
    simdjson::dom::parser parser;
    simdjson::dom::object tags;
    if (parser.parse(simdjson::padded_string(body))["trace"]["trace_info"]["tags"].get(tags) ==
        simdjson::SUCCESS)
      for (const auto& [key, value] : tags)
        trace.tags.insert_or_assign(std::string(key), std::string(value.get_string().value()));
    workspace.infos[text_of(body, {"trace", "trace_info", "trace_id"})] = body;
    return answer(200, body);
  }
  static Verdict change_tag(There& trace, const FakeWorkspace::Call& call) {
    const std::string key = text_of(call.body, {"key"});
    if (call.what.starts_with("PATCH")) {
      trace.tags.insert_or_assign(key, text_of(call.body, {"value"}));
      return answer(200, "{}");
    }
    return trace.tags.erase(key) > 0 ? answer(200, "{}") : refusal(Action::not_found, 404);
  }
  Verdict change_assessment(There& trace, const FakeWorkspace::Call& call) {
    const std::string id =
        call.what.ends_with("/assessments") ? "" : call.what.substr(call.what.rfind('/') + 1);
    if (call.what.starts_with("POST")) {
      std::string given = text_of(call.body, {"assessment", "assessment_id"});
      if (!minted.empty()) given = std::exchange(minted, {});
      if (trace.assessments.contains(given)) return refusal(Action::split, 500);
      trace.assessments[given] = mlflow::assessment_with_ids(
          text_of(call.body, {"assessment"}), given, "", [](std::string_view id) { return std::string(id); });
      return answer(200, R"({"assessment":{"assessment_id":")" + given + R"("}})");
    }
    if (call.what.starts_with("DELETE")) {
      trace.assessments.erase(id);
      return answer(200, "{}");
    }
    if (!trace.assessments.contains(id)) return refusal(Action::not_found, 404);
    if (call.what.starts_with("PATCH")) trace.assessments[id] = text_of(call.body, {"assessment"});
    return answer(200, R"({"assessment":{"assessment_id":")" + id + R"("}})");
  }

  There* at(std::uint32_t trace) {
    const auto found = there.find(mlflow::trace_name_of(trace_of(trace)));
    return found == there.end() ? nullptr : &found->second;
  }

  // records

  void write(RecordKind kind, std::uint32_t trace, std::string payload, std::uint32_t spans = 0,
             Route route = {}) {
    spool::Entry entry;
    entry.header.kind = kind;
    entry.header.received_ns = unix_now_ns();
    entry.header.span_count = spans;
    entry.header.client = "mlflow-python-client/3.17.2";
    entry.header.route = std::move(route);
    entry.payload = std::make_shared<const std::string>(std::move(payload));
    if (trace != 0) entry.traces = {trace_of(trace)};
    std::vector<spool::Entry> entries;
    entries.push_back(std::move(entry));
    spool.append(std::move(entries), {});
    if (track) track->records_arrived();
  }
  void write_info(std::uint32_t trace, Tags tags = {}, const std::string& experiment = "1") {
    mlflow::WrittenInfo info;
    info.trace = trace_of(trace);
    info.experiment_id = experiment;
    info.client_request_id = "request-" + std::to_string(trace);
    info.request_time_ms = 1'795'000'000'123;
    info.execution_duration_ms = 28;
    info.state = "OK";
    info.tags = std::move(tags);
    write(RecordKind::trace_info, trace, mlflow::encode(info), 0, {experiment, {}, {}});
  }
  void edit(std::uint32_t trace, const mlflow::TraceEdit& edit) {
    write(RecordKind::trace_edit, trace, mlflow::encode(edit));
  }
  void set_tag(std::uint32_t trace, const std::string& key, std::optional<std::string> value) {
    edit(trace, mlflow::SetTag{key, std::move(value)});
  }
  void assess(std::uint32_t trace, mlflow::EditAssessment::Way way, const std::string& id, int value = 0) {
    const bool removes = way == mlflow::EditAssessment::Way::remove;
    const std::string json = R"({"assessment_name":"n","feedback":{"value":)" + std::to_string(value) + "}}";
    edit(trace, mlflow::EditAssessment{way, id, removes ? "" : json,
                                       way == mlflow::EditAssessment::Way::update ? "feedback" : ""});
  }
  void remove(std::uint32_t trace) {
    write(RecordKind::trace_delete, trace, mlflow::encode(mlflow::TraceDelete{}));
  }
};

}  // namespace spanferry::testing
