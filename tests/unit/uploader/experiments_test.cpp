#include <gtest/gtest.h>

#include "model/provisional_id.hpp"
#include "tests/unit/uploader/memory_spool.hpp"
#include "tests/unit/uploader/sender_fixture.hpp"
#include "uploader/mlflow_experiments.hpp"

namespace spanferry::uploader {
namespace {

using spanferry::testing::Answer;
using spanferry::testing::MemorySpool;
using spanferry::testing::Received;
using spanferry::testing::run;
using spanferry::testing::run_until;
namespace asio = boost::asio;
using std::chrono::milliseconds;
using Answered = std::expected<Experiment, Verdict>;

const std::string kGone = R"({"error_code":"RESOURCE_DOES_NOT_EXIST","message":"none"})";
const std::string kTaken = R"({"error_code":"RESOURCE_ALREADY_EXISTS","message":"taken"})";

std::string described(const std::string& id, const std::string& more = "") {
  return R"({"experiment":{"experiment_id":")" + id + R"(","lifecycle_stage":"active")" + more + "}}";
}

class ExperimentsTest : public SenderFixture {
 protected:
  ExperimentsTest() : SenderFixture(Kind::mlflow, Answer{.status = 404, .body = kGone}) {}
  MlflowExperiments& make() {
    SenderTuning tuning;
    tuning.retry = tuning.pause = {milliseconds(1), milliseconds(2)};
    make_sender(tuning);
    experiments = std::make_unique<MlflowExperiments>(settings, spool, *sender);
    return *experiments;
  }
  Answered resolve(const Route& route) {
    if (!experiments) make();
    auto answer = run(io, experiments->resolve(route));
    return answer ? *std::move(answer) : std::unexpected(Verdict{});
  }

  MemorySpool spool;
  std::unique_ptr<MlflowExperiments> experiments;
};

TEST_F(ExperimentsTest, OfAnMlflowServerAreTheDefaultOneWhenNoneIsNamed) {
  const Answered answer = resolve({});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->id, "0");
  EXPECT_TRUE(server.received().empty());
}

TEST_F(ExperimentsTest, AreFoundByNameAndRememberedAcrossProcesses) {
  server.set_script([](const Received&) { return Answer{.body = described("17")}; });
  Route route;
  route.experiment_name = "/Shared/a b";
  ASSERT_TRUE(resolve(route));
  EXPECT_EQ(server.received()[0].method, "GET");
  EXPECT_EQ(server.received()[0].target,
            "/api/2.0/mlflow/experiments/get-by-name?experiment_name=%2FShared%2Fa%20b");
  experiments = std::make_unique<MlflowExperiments>(settings, spool, *sender);
  const Answered again = resolve(route);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, "17");
  EXPECT_EQ(server.received().size(), 1U);
}

TEST_F(ExperimentsTest, ThatWereGivenAProvisionalIdAreFoundByTheirName) {
  server.set_script(
      [](const Received& r) { return Answer{.body = described(r.target.ends_with("=mine") ? "17" : "18")}; });
  const std::string id = provisional_id("there", "mine");
  spool.values[provisional_key(id)] = encode(Provisional{"there", "mine"});
  Answered answer = resolve({id, {}, {}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->id, "17");
  // Of one that nobody remembers: the destination's own.
  settings.experiment = "configured";
  answer = resolve({provisional_id("there", "lost"), {}, {}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->id, "18");
}

TEST_F(ExperimentsTest, AreCreatedWhenMissing) {
  bool created = false;
  server.set_script([&](const Received& r) {
    if (r.method == "POST") {
      created = true;
      EXPECT_EQ(r.target, "/api/2.0/mlflow/experiments/create");
      EXPECT_EQ(r.body, R"({"name":"new \"one\""})");
      return Answer{.body = R"({"experiment_id":"18"})"};
    }
    return created ? Answer{.body = described("18")} : Answer{.status = 404, .body = kGone};
  });
  Route route;
  route.experiment_name = "new \"one\"";
  const Answered answer = resolve(route);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->id, "18");
}

TEST_F(ExperimentsTest, AreReadBackWhenSomebodyElseCreatedThemFirst) {
  int gets = 0;
  server.set_script([&](const Received& r) {
    if (r.method == "POST") return Answer{.status = 400, .body = kTaken};
    return ++gets == 1 ? Answer{.status = 404, .body = kGone} : Answer{.body = described("19")};
  });
  Route route;
  route.experiment_name = "raced";
  const Answered answer = resolve(route);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->id, "19");
}

TEST_F(ExperimentsTest, ThatAreNotThereMakeOneRouteImpossibleAndAreAskedForAgain) {
  settings.create_experiment = false;
  Route by_name, by_id, nonsense;
  by_name.experiment_name = "none";
  by_id.experiment_id = "99";
  nonsense.experiment_id = "12x";
  for (const Route& route : {by_name, by_id, by_name, by_id}) {
    const Answered answer = resolve(route);
    ASSERT_FALSE(answer);
    // Somebody may still create one by name; ids are given once.
    EXPECT_EQ(answer.error().action, route == by_name ? Action::held : Action::split);
    EXPECT_EQ(answer.error().status, 404);
  }
  EXPECT_EQ(server.received().size(), 4U);
  const Answered answer = resolve(nonsense);
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().reason.find("must be digits"), std::string::npos);
  EXPECT_EQ(server.received().size(), 4U);
}

TEST_F(ExperimentsTest, ThatAreDeletedHoldTheirRouteUntilTheyAreRestored) {
  bool is_deleted = true;
  server.set_script([&](const Received&) {
    return Answer{.body = is_deleted ? R"({"experiment":{"experiment_id":"5","lifecycle_stage":"deleted"}})"
                                     : described("5")};
  });
  Route route;
  route.experiment_id = "5";
  const Answered answer = resolve(route);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().action, Action::held);
  EXPECT_NE(answer.error().reason.find("is deleted"), std::string::npos) << answer.error().reason;
  is_deleted = false;
  EXPECT_TRUE(resolve(route));
}

TEST_F(ExperimentsTest, ThatAreDeletedAreMadeAnewWhereTheirNameIsFree) {
  bool is_free = false, created = false;
  server.set_script([&](const Received& r) {
    if (r.method == "POST") {
      if (!is_free) return Answer{.status = 400, .body = kTaken};
      created = true;
      return Answer{.body = R"({"experiment_id":"6"})"};
    }
    if (created) return Answer{.body = described("6")};
    return Answer{.body = R"({"experiment":{"experiment_id":"5","lifecycle_stage":"deleted"}})"};
  });
  Route route;
  route.experiment_name = "/Shared/gone";
  const Answered taken = resolve(route);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().action, Action::held);
  EXPECT_NE(taken.error().reason.find("is deleted"), std::string::npos) << taken.error().reason;
  is_free = true;
  const Answered anew = resolve(route);
  ASSERT_TRUE(anew);
  EXPECT_EQ(anew->id, "6");
}

TEST_F(ExperimentsTest, AreAskedForNowAndThenAndNotUsedOnceDeleted) {
  settings.create_experiment = false;
  bool is_deleted = false;
  server.set_script([&](const Received&) {
    return Answer{.body = is_deleted ? R"({"experiment":{"experiment_id":"5","lifecycle_stage":"deleted"}})"
                                     : described("5")};
  });
  SenderTuning tuning;
  make_sender(tuning);
  experiments = std::make_unique<MlflowExperiments>(settings, spool, *sender, milliseconds(0));
  Route route;
  route.experiment_name = "/Shared/x";
  ASSERT_TRUE(resolve(route));
  ASSERT_TRUE(resolve(route));
  is_deleted = true;
  const Answered answer = resolve(route);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().action, Action::held);
}

TEST_F(ExperimentsTest, ThatAreConfiguredAndMissingHoldTheirRouteAlone) {
  settings.create_experiment = false;
  settings.experiment = "/Shared/none";
  const Answered by_name = resolve({});
  ASSERT_FALSE(by_name);
  EXPECT_EQ(by_name.error().action, Action::held);
  EXPECT_NE(by_name.error().reason.find("`create_experiment: true`"), std::string::npos);
  settings.experiment = "";
  settings.experiment_id = "7";
  const Answered by_id = resolve({});
  ASSERT_FALSE(by_id);
  EXPECT_EQ(by_id.error().action, Action::held);
  EXPECT_EQ(sender->health().state(), DestinationState::ok);
}

TEST_F(ExperimentsTest, ThatAreConfiguredAndRefusedPauseTheDestinationUntilTheyAreTaken) {
  settings.experiment = "no absolute path";
  bool taken = false;
  server.set_script([&](const Received& r) {
    if (taken) return Answer{.body = described("7")};
    if (r.method == "POST")
      return Answer{.status = 400, .body = R"({"error_code":"INVALID_PARAMETER_VALUE"})"};
    return Answer{.status = 404, .body = kGone};
  });
  make();
  std::optional<Answered> answer;
  const Route none;
  asio::co_spawn(io, experiments->resolve(none),
                 [&](std::exception_ptr, Answered a) { answer = std::move(a); });
  ASSERT_TRUE(run_until(io, [&] { return sender->health().state() == DestinationState::paused_config; }));
  EXPECT_FALSE(answer.has_value());
  taken = true;
  ASSERT_TRUE(run_until(io, [&] { return answer.has_value(); }));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->id, "7");
  EXPECT_EQ(sender->health().state(), DestinationState::ok);
}

TEST_F(ExperimentsTest, MustBeNamedForAWorkspace) {
  settings.kind = Kind::databricks;
  make();
  std::optional<Answered> answer;
  const Route none;
  asio::co_spawn(io, experiments->resolve(none),
                 [&](std::exception_ptr, Answered a) { answer = std::move(a); });
  ASSERT_TRUE(run_until(io, [&] { return sender->health().state() == DestinationState::paused_config; }));
  DestinationStatus status;
  sender->health().fill(status);
  EXPECT_NE(status.reason.find("MLFLOW_EXPERIMENT_NAME"), std::string::npos) << status.reason;
  sender->stop();
  ASSERT_TRUE(run_until(io, [&] { return answer.has_value(); }));
  EXPECT_EQ(answer->error().action, Action::stopped);
}

std::string linked(const std::string& path) {
  return R"(,"tags":[{"key":"mlflow.experiment.databricksTraceSpanStorageTable","value":")" + path +
         R"(_otel_spans"},{"key":"mlflow.experiment.databricksTraceDestinationPath","value":")" + path +
         R"("}])";
}

TEST_F(ExperimentsTest, TellTheTableTheyAreLinkedTo) {
  settings.kind = Kind::databricks;
  server.set_script([](const Received&) { return Answer{.body = described("3", linked("main.traces.x"))}; });
  Route route;
  route.experiment_name = "/Shared/linked";
  for (int process = 1; process <= 2; ++process) {
    for (int trace = 0; trace < 3; ++trace) {
      const Answered answer = resolve(route);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->unity_catalog_table, "main.traces.x_otel_spans");
      EXPECT_EQ(answer->unity_catalog_path, "main.traces.x");
      EXPECT_EQ(answer->linked_since, 0U);
    }
    EXPECT_EQ(server.received().size(), static_cast<std::size_t>(process)) << "asked once a process";
    experiments = std::make_unique<MlflowExperiments>(settings, spool, *sender);
  }
}

TEST_F(ExperimentsTest, RememberSinceWhenTheyAreLinked) {
  settings.kind = Kind::databricks;
  std::string tags;
  server.set_script([&](const Received&) { return Answer{.body = described("3", tags)}; });
  Route route;
  route.experiment_name = "/Shared/to be linked";
  EXPECT_EQ(resolve(route)->unity_catalog_table, "");
  std::vector<spool::Entry> entries(2);
  for (spool::Entry& entry : entries) entry.payload = std::make_shared<const std::string>("{}");
  spool.append(std::move(entries), {});
  tags = linked("main.traces.x");
  EXPECT_EQ(resolve(route)->unity_catalog_table, "") << "known for a while";
  for (int process = 0; process < 2; ++process) {
    experiments = std::make_unique<MlflowExperiments>(settings, spool, *sender);
    const Answered answer = resolve(route);
    EXPECT_EQ(answer->unity_catalog_table, "main.traces.x_otel_spans");
    EXPECT_EQ(answer->linked_since, 3U);
    experiments->forget(route);
    EXPECT_EQ(resolve(route)->linked_since, 3U);
  }
}

struct LinkedByUs : ExperimentsTest {
  std::string location;  // the experiment's link
  bool knows_prefixes = true, allowed = true;
  Route route{{}, "/Shared/new", {}};

  LinkedByUs() {
    settings.kind = Kind::databricks;
    settings.unity_catalog = "main.genai.app";
    server.set_script([this](const Received& r) {
      if (r.method == "GET") return Answer{.body = described("3", location.empty() ? "" : linked(location))};
      if (!knows_prefixes && r.target.starts_with("/api/5.0/"))
        return Answer{.status = 404, .body = R"({"error_code":"ENDPOINT_NOT_FOUND","message":"none"})"};
      if (!allowed) return Answer{.status = 400, .body = R"({"error_code":"BAD_REQUEST","message":"no"})"};
      if (r.target == "/api/5.0/mlflow/experiments/3/trace-location:link") location = "main.genai.app";
      return Answer{.body = "{}"};
    });
  }
  [[nodiscard]] std::vector<std::string> posts() const {
    std::vector<std::string> all;
    for (const Received& r : server.received())
      if (r.method == "POST") all.push_back(r.target + " " + r.body);
    return all;
  }
};

TEST_F(LinkedByUs, GetTheirLocationMadeAndAreLinkedToIt) {
  const Answered answer = resolve(route);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->unity_catalog_table, "main.genai.app_otel_spans");
  const std::string place =
      R"("uc_table_prefix":{"catalog_name":"main","schema_name":"genai","table_prefix":"app"})";
  EXPECT_EQ(posts(),
            (std::vector<std::string>{
                "/api/5.0/mlflow/tracing/locations {" + place + "}",
                R"(/api/5.0/mlflow/experiments/3/trace-location:link {"experiment_id":"3",)" + place + "}"}));
  EXPECT_EQ(resolve(route)->unity_catalog_path, "main.genai.app");
  EXPECT_EQ(posts().size(), 2U);
}

TEST_F(LinkedByUs, AreLinkedToASchemaWhereTheWorkspaceKnowsNoPrefixes) {
  knows_prefixes = false;
  const Answered answer = resolve(route);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->unity_catalog_path, "main.genai");
  EXPECT_EQ(answer->unity_catalog_table, "main.genai.mlflow_experiment_trace_otel_spans");
  EXPECT_EQ(posts().back(), R"(/api/4.0/mlflow/traces/3/link-location {"experiment_id":"3",)"
                            R"("uc_schema":{"catalog_name":"main","schema_name":"genai"}})");
}

TEST_F(LinkedByUs, NameTheWarehouseWhereTheirTablesAreMade) {
  settings.sql_warehouse_id = "0a1b";
  ASSERT_TRUE(resolve(route));
  const auto made = posts();
  ASSERT_EQ(made.size(), 2U);
  EXPECT_TRUE(made[0].ends_with(R"(,"sql_warehouse_id":"0a1b"})")) << made[0];
  EXPECT_FALSE(made[1].contains("sql_warehouse_id")) << made[1];
}

TEST_F(LinkedByUs, AreLeftWhereTheyAreLinkedAlready) {
  location = "other.place.x";
  EXPECT_EQ(resolve(route)->unity_catalog_path, "other.place.x");
  EXPECT_TRUE(posts().empty());
}

TEST_F(LinkedByUs, WaitWhereThatIsNotAllowedOrRefused) {
  settings.create_experiment = false;
  Answered answer = resolve(route);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().action, Action::held);
  EXPECT_NE(answer.error().reason.find("main.genai.app"), std::string::npos) << answer.error().reason;
  EXPECT_TRUE(posts().empty());
  settings.create_experiment = true;
  allowed = false;
  answer = resolve(route);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().action, Action::held);
  EXPECT_NE(answer.error().reason.find("cannot be linked"), std::string::npos) << answer.error().reason;
}

TEST_F(ExperimentsTest, AreAskedForAgainOnceForgotten) {
  std::string id = "1";
  server.set_script([&](const Received&) { return Answer{.body = described(id)}; });
  Route route;
  route.experiment_name = "moved";
  ASSERT_TRUE(resolve(route));
  id = "2";
  EXPECT_EQ(resolve(route)->id, "1");
  experiments->forget(route);
  EXPECT_EQ(resolve(route)->id, "2");
}

TEST_F(ExperimentsTest, FromSomethingThatIsNoMlflowServerAreRefusedWithASentence) {
  server.set_script([](const Received&) { return Answer{.body = R"({"experiment":{}})"}; });
  Route route;
  route.experiment_name = "x";
  const Answered answer = resolve(route);
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().reason.find("does not answer as an MLflow server does"), std::string::npos);
}

}  // namespace
}  // namespace spanferry::uploader
