// The MLflow API before a spool in memory and a far side that says what it is told to.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/counters.hpp"
#include "ingest/endpoint_table.hpp"
#include "ingest/mlflow_api/api.hpp"
#include "tests/unit/ingest/fake_spool.hpp"

namespace spanferry::test {

class FakeWorkspace final : public ingest::WorkspaceReader {
 public:
  [[nodiscard]] State state() const override { return state_; }
  [[nodiscard]] Kind kind() const override { return Kind::mlflow; }
  [[nodiscard]] std::string destination() const override { return "server"; }
  [[nodiscard]] bool settled(const TraceId&, const std::vector<Seq>&) const override { return settled_; }
  void read(ingest::WorkspaceRequest request,
            std::move_only_function<void(Result<ingest::WorkspaceAnswer>)> done) override {
    asked.push_back(request);
    if (meanwhile) meanwhile();
    if (answers.empty()) return done(fail(ErrorKind::timeout, "it said nothing"));
    auto answer = std::move(answers.front());
    answers.pop_front();
    done(std::move(answer));
  }
  void say(int status, std::string body) {
    answers.emplace_back(ingest::WorkspaceAnswer{status, "application/json", std::move(body)});
  }

  State state_ = State::ok;
  bool settled_ = false;                                // whatever it is asked about
  std::deque<Result<ingest::WorkspaceAnswer>> answers;  // said in turn; then nothing
  std::vector<ingest::WorkspaceRequest> asked;
  std::function<void()> meanwhile;  // between a question and its answer
};

inline constexpr std::string_view kPythonClient = "mlflow-python-client/3.17.2";
inline constexpr std::string_view kDatabricksClient =
    "unknown/0.0.0 databricks-sdk-py/0.156.0 python/3.11.7 os/linux auth/pat";

// The first experiment's id.
inline std::string id_in(const ingest::Response& answer) {
  const auto at = answer.body.find(R"("experiment_id":")");
  return at == std::string::npos ? "" : answer.body.substr(at + 17, answer.body.find('"', at + 17) - at - 17);
}

class MlflowApi : public testing::Test {
 protected:
  using State = ingest::WorkspaceReader::State;

  void open(ingest::WorkspaceReader::Kind kind = ingest::WorkspaceReader::Kind::local,
            std::string tables = "") {
    ingest::ApiSettings settings;
    settings.tables = std::move(tables);
    settings.kind = kind;
    if (kind != ingest::WorkspaceReader::Kind::local) settings.destination = "server";
    settings.experiment = "configured";
    api = std::make_unique<ingest::Api>(spool, &far, settings);
    api->now_ms = [this] { return now_ms; };
    ASSERT_TRUE(api->load().has_value());
    auto endpoints = ingest::mlflow_endpoints(*api);
    endpoints.push_back(ingest::feedback_endpoint(*api));
    table = std::make_unique<ingest::EndpointTable>(std::move(endpoints));
  }
  void open_before_a_server() { open(ingest::WorkspaceReader::Kind::mlflow); }
  void open_before_a_workspace(std::string tables = "") {
    open(ingest::WorkspaceReader::Kind::databricks, std::move(tables));
  }

  ingest::Response call(std::string_view method, std::string_view target, std::string_view body = "",
                        std::string_view client = kPythonClient) {
    const auto question = std::min(target.find('?'), target.size());
    const std::string path = ingest::percent_decode(target.substr(0, question));
    ingest::Request request;
    request.method = method;
    request.path = path;
    request.query = target.substr(std::min(question + 1, target.size()));
    request.body = body;
    request.user_agent = client;
    request.host = "localhost:4318";
    request.from_loopback = true;
    const auto match = table->find(method, path);
    if (match.endpoint == nullptr) return {.status = 405, .body = "no endpoint"};
    std::promise<ingest::Response> said;
    match.endpoint->handle(request, [&said](ingest::Response answer) { said.set_value(std::move(answer)); });
    return said.get_future().get();
  }
  static std::string header(const ingest::Response& answer, std::string_view name) {
    for (const auto& [key, value] : answer.headers)
      if (key == name) return value;
    return "";
  }
  ingest::Response start_trace(std::string_view client = kPythonClient, std::string_view more = "") {
    return call("POST", "/api/3.0/mlflow/traces",
                R"({"trace":{"trace_info":{"trace_id":"tr-0af7651916cd43dd8448eb211c80319c","state":"OK")" +
                    std::string(more) + "}}}",
                client);
  }

  FakeSpool spool;
  FakeWorkspace far;
  std::int64_t now_ms = 1'795'486'846'000;
  std::unique_ptr<ingest::Api> api;
  std::unique_ptr<ingest::EndpointTable> table;
};

inline constexpr std::string_view kTracePath = "/api/3.0/mlflow/traces/tr-0af7651916cd43dd8448eb211c80319c";

}  // namespace spanferry::test
