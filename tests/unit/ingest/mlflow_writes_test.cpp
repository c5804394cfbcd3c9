// Writes of MLflow clients: what is kept, what they are answered, and what is said when it cannot be kept.
#include "model/mlflow_write.hpp"
#include "tests/unit/ingest/mlflow_api_fixture.hpp"

namespace spanferry::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class MlflowWrites : public MlflowApi {};

TEST_F(MlflowWrites, AStartedTraceIsARecordOfItsTraceAndExperiment) {
  open();
  const auto answer =
      start_trace(kPythonClient, R"(,"trace_location":{"mlflow_experiment":{"experiment_id":"3"}})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.accepted_spans, 0U);
  ASSERT_THAT(spool.records(), SizeIs(1));
  const auto header = spool.records().front().header;
  EXPECT_EQ(header.kind, RecordKind::trace_info);
  EXPECT_EQ(header.route.experiment_id, "3");
  EXPECT_EQ(header.only_trace->hex(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(header.client, kPythonClient);
  EXPECT_THAT(answer.body, HasSubstr(R"("mlflow.artifactLocation":"mlflow-artifacts:/3/traces/tr-0af)"));
}

TEST_F(MlflowWrites, SpansAreToldToComeByOtlpToThoseAloneWhoReadThat) {
  open();
  const std::string tag = R"("mlflow.trace.spansLocation":"TRACKING_STORE")";
  EXPECT_THAT(start_trace("mlflow-python-client/3.6.0").body, HasSubstr(tag));
  EXPECT_THAT(start_trace("mlflow-python-client/4.0.0.dev0").body, HasSubstr(tag));
  for (const std::string_view client :
       {std::string_view("mlflow-python-client/3.5.1"), std::string_view("mlflow-python-client/2.22"),
        std::string_view("mlflow-python-client/x"), std::string_view("node-fetch"), std::string_view(""),
        kDatabricksClient})
    EXPECT_THAT(start_trace(client).body, Not(HasSubstr(tag))) << client;
}

TEST_F(MlflowWrites, OnAFullSpoolAreTriedAgainSoon) {
  open();
  spool.refuse_appends(Error{ErrorKind::full, "the spool is full"});
  const auto answer = start_trace();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(header(answer, "Retry-After"), "1");
  EXPECT_EQ(answer.rejection, ingest::Rejection::full);
  EXPECT_FALSE(answer.accepted_spans.has_value());
}

TEST_F(MlflowWrites, AClientThatWouldRepeatItInTheAppIsToldToGiveUpAfterFiveSeconds) {
  open();
  spool.refuse_appends(Error{ErrorKind::full, "the spool is full"});
  EXPECT_EQ(start_trace(kDatabricksClient).status, 503);
  now_ms += 4'900;
  EXPECT_EQ(start_trace(kDatabricksClient).status, 503);
  now_ms += 200;
  const auto answer = start_trace(kDatabricksClient);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.rejection, ingest::Rejection::full) << "counted as what it is";
  EXPECT_EQ(start_trace(kPythonClient).status, 400);
  EXPECT_EQ(start_trace("curl/8").status, 503) << "that one does not";
  spool.refuse_appends(std::nullopt);
  EXPECT_EQ(start_trace(kDatabricksClient).status, 200);
  spool.refuse_appends(Error{ErrorKind::full, "the spool is full"});
  EXPECT_EQ(start_trace(kDatabricksClient).status, 503) << "five seconds anew";
}

TEST_F(MlflowWrites, ReadsAreNotRefusedForAFullSpool) {
  open();
  start_trace();
  spool.refuse_appends(Error{ErrorKind::full, "the spool is full"});
  spool.set_accepting(false);
  EXPECT_EQ(call("GET", kTracePath).status, 200);
  EXPECT_EQ(call("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default").status, 200);
}

TEST_F(MlflowWrites, OfATraceThatOnlyTheFarSideHasAreTaken) {
  open_before_a_server();
  const std::string tags = std::string(kTracePath) + "/tags";
  far.say(404, R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})");
  EXPECT_EQ(call("PATCH", tags, R"({"key":"k","value":"v"})").status, 404);
  far.say(
      200,
      R"({"trace":{"trace_info":{"trace_id":"tr-0af7651916cd43dd8448eb211c80319c","state":"OK","tags":{"a":"b"}}}})");
  EXPECT_EQ(call("PATCH", tags, R"({"key":"k","value":"v"})").status, 200);
  far.state_ = State::away;
  EXPECT_EQ(call("PATCH", tags, R"({"key":"l","value":"v"})").status, 200) << "on trust";
  EXPECT_THAT(spool.records(), SizeIs(2));
}

TEST_F(MlflowWrites, AReadPutsWhatIsHereOnTopOfWhatTheFarSideHas) {
  open_before_a_server();
  far.state_ = State::away;
  call("PATCH", std::string(kTracePath) + "/tags", R"({"key":"k","value":"here"})");
  far.state_ = State::ok;
  far.say(
      200,
      R"({"trace":{"trace_info":{"trace_id":"tr-0af7651916cd43dd8448eb211c80319c","state":"OK","tags":{"k":"there","a":"b"}}}})");
  const auto answer = call("GET", kTracePath);
  EXPECT_THAT(answer.body, HasSubstr(R"("k":"here")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("a":"b")"));
  EXPECT_EQ(header(answer, "X-Spanferry-Partial"), "");
}

TEST_F(MlflowWrites, FeedbackMayComeBeforeItsTrace) {
  open_before_a_server();
  const auto early = call("POST", "/api/spanferry/v1/feedback",
                          R"({"trace_id":"0af7651916cd43dd8448eb211c80319c","name":"good","value":true})");
  EXPECT_EQ(early.status, 200) << early.body;
  const auto by_request =
      call("POST", "/api/spanferry/v1/feedback",
           R"({"client_request_id":"req-1","name":"good","value":0.5,"source_id":"jane","rationale":"why"})");
  EXPECT_EQ(by_request.status, 200) << by_request.body;
  ASSERT_THAT(spool.records(), SizeIs(2));
  const auto edit = mlflow::parse_trace_edit(*spool.records()[1].payload);
  ASSERT_TRUE(edit.has_value());
  const auto& feedback = std::get<mlflow::FeedbackByRequest>(*edit);
  EXPECT_EQ(feedback.client_request_id, "req-1");
  EXPECT_THAT(feedback.assessment, HasSubstr(R"("value":0.5)"));
  EXPECT_THAT(by_request.body, HasSubstr(feedback.id));
  for (const std::string_view wrong : {R"({"name":"a","value":1})", R"({"client_request_id":"r","value":1})",
                                       R"({"client_request_id":"r","name":"a"})", R"([])", ""})
    EXPECT_EQ(call("POST", "/api/spanferry/v1/feedback", wrong).status, 400) << wrong;
}

}  // namespace
}  // namespace spanferry::test
