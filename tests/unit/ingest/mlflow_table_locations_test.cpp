// Unity Catalog locations: made by the workspace, and promised while it cannot make them.
#include <fmt/format.h>

#include "model/mlflow_write.hpp"
#include "tests/unit/ingest/mlflow_api_fixture.hpp"

namespace spanferry::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::string_view kMake = "/api/5.0/mlflow/tracing/locations";
constexpr std::string_view kLink = "/api/5.0/mlflow/experiments/7/trace-location:link";
constexpr std::string_view kPlace =
    R"("uc_table_prefix":{"catalog_name":"main","schema_name":"genai","table_prefix":"app"})";
constexpr std::string_view kByName =
    "/api/2.0/mlflow/experiments/get-by-name?experiment_name=%2FShared%2Fchat";

struct MlflowTableLocations : MlflowApi {
  ingest::Response make() {
    return call("POST", kMake, fmt::format(R"({{{},"sql_warehouse_id":"w-1"}})", kPlace));
  }
  ingest::Response link(std::string_view path = kLink) {
    return call("POST", path, fmt::format(R"({{"experiment_id":"7",{}}})", kPlace));
  }
  // The experiment is asked for, and is 7.
  void know_experiment() {
    far.say(200, R"({"experiment":{"experiment_id":"7","name":"/Shared/chat","lifecycle_stage":"active"}})");
    call("GET", kByName);
  }
  std::string experiment() { return call("GET", kByName).body; }
  std::vector<mlflow::ExperimentEdit> kept() {
    std::vector<mlflow::ExperimentEdit> edits;
    for (const auto& record : spool.records())
      edits.push_back(mlflow::parse_experiment_edit(*record.payload).value());
    return edits;
  }
};

TEST_F(MlflowTableLocations, WhatTheWorkspaceSaysIsPassedOn) {
  open_before_a_workspace();
  know_experiment();
  far.say(200, R"({"uc_table_prefix":{"location_id":"l-1"}})");
  EXPECT_EQ(make().body, R"({"uc_table_prefix":{"location_id":"l-1"}})");
  EXPECT_THAT(far.asked.back().body, HasSubstr("w-1"));
  far.say(200, "{}");
  EXPECT_EQ(link().status, 200);
  far.state_ = State::away;
  EXPECT_THAT(experiment(), HasSubstr("main.genai.app_otel_spans")) << "known before it is asked again";
  EXPECT_THAT(spool.records(), IsEmpty());
}

TEST_F(MlflowTableLocations, WhatItRefusesIsRefused) {
  open_before_a_workspace();
  know_experiment();
  for (const int status : {400, 403, 404}) {
    far.say(status, R"({"error_code":"PERMISSION_DENIED","message":"not yours"})");
    EXPECT_EQ(make().status, status);
    far.say(status, R"({"error_code":"ENDPOINT_NOT_FOUND","message":"not yours"})");
    EXPECT_EQ(link().status, status);
  }
  EXPECT_THAT(spool.records(), IsEmpty());
  EXPECT_THAT(experiment(), Not(HasSubstr("main.genai.app")));
}

TEST_F(MlflowTableLocations, WhatNamesNoLocationIsRefusedHere) {
  open_before_a_workspace();
  for (const std::string_view body :
       {"", "[", "{}", R"({"uc_table_prefix":7})", R"({"uc_table_prefix":{"catalog_name":"main"}})"}) {
    EXPECT_EQ(call("POST", kMake, body).status, 400) << body;
    EXPECT_EQ(call("POST", kLink, body).status, 400) << body;
  }
  EXPECT_THAT(far.asked, IsEmpty());
}

TEST_F(MlflowTableLocations, ArePromisedWhileItIsAway) {
  open_before_a_workspace();
  know_experiment();
  far.state_ = State::away;
  const auto made = make();
  EXPECT_EQ(made.status, 200);
  EXPECT_NE(header(made, "X-Spanferry-Partial"), "");
  EXPECT_THAT(made.body, HasSubstr(R"("spans_table_name":"main.genai.app_otel_spans")"));
  EXPECT_EQ(link().status, 200);
  EXPECT_THAT(experiment(), HasSubstr(R"("value":"main.genai.app")"));
  EXPECT_THAT(experiment(), HasSubstr(R"("value":"main.genai.app_otel_spans")"));
  EXPECT_THAT(kept(),
              testing::ElementsAre(mlflow::ExperimentEdit(mlflow::MakeLocation{"main.genai.app", "w-1"}),
                                   mlflow::ExperimentEdit(mlflow::LinkLocation{"main.genai.app"})));
  EXPECT_EQ(spool.records().back().header.route.experiment_id, "7");
  EXPECT_THAT(far.asked, SizeIs(1)) << "nobody waited";
}

TEST_F(MlflowTableLocations, ArePromisedWhereItCannotDoItNow) {
  open_before_a_workspace();
  know_experiment();
  for (const int status : {401, 429, 500, 503}) {
    far.say(status, R"({"error_code":"TEMPORARILY_UNAVAILABLE"})");
    EXPECT_EQ(make().status, 200) << status;
  }
  far.say(404, R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})");  // the location: it is not made yet
  EXPECT_EQ(link().status, 200);
  EXPECT_THAT(kept(), SizeIs(5));
}

TEST_F(MlflowTableLocations, AnExperimentThatIsNotThereIsNotThere) {
  open_before_a_workspace();
  far.say(404, R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})");
  EXPECT_EQ(link().status, 404);
  EXPECT_THAT(spool.records(), IsEmpty());
}

TEST_F(MlflowTableLocations, AnExperimentWithAProvisionalIdIsLinkedWhenItIsThere) {
  open_before_a_workspace();
  far.state_ = State::away;
  const std::string id = id_in(call("GET", kByName));
  far.state_ = State::ok;
  const auto asked = far.asked.size();
  EXPECT_EQ(link(fmt::format("/api/5.0/mlflow/experiments/{}/trace-location:link", id)).status, 200);
  EXPECT_EQ(far.asked.size(), asked) << "it does not know that id";
  ASSERT_THAT(spool.records(), SizeIs(1));
  EXPECT_EQ(spool.records().back().header.route.experiment_id, id);
}

TEST_F(MlflowTableLocations, AServerThatHasNoneIsNotPromisedFor) {
  open_before_a_server();
  know_experiment();
  far.state_ = State::away;
  EXPECT_EQ(make().status, 503);
  EXPECT_EQ(link().status, 503);
  EXPECT_THAT(spool.records(), IsEmpty());
}

}  // namespace
}  // namespace spanferry::test
