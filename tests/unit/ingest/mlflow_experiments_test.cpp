// Look-ups of experiments in front of a far side: known, unknown, away, and the ids given out meanwhile.
#include "model/mlflow_write.hpp"
#include "model/provisional_id.hpp"
#include "tests/unit/ingest/mlflow_api_fixture.hpp"

namespace spanferry::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::string_view kByName =
    "/api/2.0/mlflow/experiments/get-by-name?experiment_name=%2FShared%2Fchat";
constexpr std::string_view kCreate = "/api/2.0/mlflow/experiments/create";
constexpr std::string_view kBody = R"({"name":"/Shared/chat"})";
const std::string kThere =
    R"({"experiment":{"experiment_id":"7","name":"/Shared/chat","lifecycle_stage":"active"}})";

class MlflowExperiments : public MlflowApi {};

TEST_F(MlflowExperiments, OfAnUnknownNameTheFarSideIsAskedOnceForASecondAtMost) {
  open_before_a_server();
  far.say(200, kThere);
  EXPECT_EQ(id_in(call("GET", kByName)), "7");
  ASSERT_THAT(far.asked, SizeIs(1));
  EXPECT_EQ(far.asked[0].path, kByName);
  EXPECT_LE(far.asked[0].deadline, std::chrono::seconds(1));
  far.state_ = State::away;
  EXPECT_EQ(id_in(call("GET", kByName)), "7") << "it is known now";
  EXPECT_EQ(id_in(call("GET", "/api/2.0/mlflow/experiments/get?experiment_id=7")), "7");
  open_before_a_server();
  EXPECT_EQ(id_in(call("GET", kByName)), "7") << "in the next process too";
  EXPECT_THAT(far.asked, SizeIs(1));
}

TEST_F(MlflowExperiments, OneThatIsNotThereIsNotThere) {
  open_before_a_server();
  far.say(404, R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})");
  EXPECT_EQ(call("GET", kByName).status, 404);
}

TEST_F(MlflowExperiments, WhileItIsAwayNobodyWaitsAndTheNameGetsAProvisionalId) {
  open_before_a_server();
  far.state_ = State::away;
  const auto answer = call("GET", kByName);
  const std::string id = id_in(answer);
  EXPECT_TRUE(is_provisional_id(id)) << answer.body;
  EXPECT_NE(header(answer, "X-Spanferry-Partial"), "");
  EXPECT_THAT(far.asked, IsEmpty());
  const auto meaning = spool.load(provisional_key(id));
  ASSERT_TRUE(meaning && *meaning);
  EXPECT_EQ(parse_provisional(**meaning)->name, "/Shared/chat");
  open_before_a_server();
  EXPECT_EQ(id_in(call("GET", kByName)), id) << "in the next process too";
}

TEST_F(MlflowExperiments, AtTheStartItIsAskedAndWhoSaysNothingIsNotWaitedForAgain) {
  open_before_a_server();
  far.state_ = State::unproven;
  EXPECT_TRUE(is_provisional_id(id_in(call("GET", kByName))));
  EXPECT_THAT(far.asked, SizeIs(1));
}

TEST_F(MlflowExperiments, AProvisionalIdStaysWhenTheRealOneIsKnownAndBothAreUnderstood) {
  open_before_a_server();
  far.state_ = State::away;
  const std::string id = id_in(call("GET", kByName));
  far.state_ = State::ok;
  far.say(200, kThere);
  EXPECT_EQ(id_in(call("GET", kByName)), id) << "answered at once, refreshed behind";
  EXPECT_THAT(far.asked, SizeIs(1));
  EXPECT_EQ(id_in(call("GET", kByName)), id);
  EXPECT_EQ(api->experiments.by_name("/Shared/chat")->far_id, "7");
  EXPECT_EQ(id_in(call("GET", "/api/2.0/mlflow/experiments/get?experiment_id=7")), "7");
  EXPECT_THAT(far.asked, SizeIs(1)) << "what was asked for just now is not asked for again";
}

TEST_F(MlflowExperiments, AreMadeThereWhileItAnswers) {
  open_before_a_server();
  far.say(200, R"({"experiment_id":"12"})");
  const auto answer = call("POST", kCreate, kBody);
  EXPECT_EQ(id_in(answer), "12");
  EXPECT_EQ(answer.accepted_spans, 0U) << "a write that was taken";
  EXPECT_THAT(spool.records(), IsEmpty());
  far.say(400, R"({"error_code":"RESOURCE_ALREADY_EXISTS","message":"taken"})");
  const auto refused = call("POST", kCreate, R"({"name":"other"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("RESOURCE_ALREADY_EXISTS"));
}

TEST_F(MlflowExperiments, AreMadeLaterWhileItIsAway) {
  open_before_a_server();
  far.state_ = State::away;
  const auto answer = call("POST", kCreate, kBody);
  const std::string id = id_in(answer);
  EXPECT_TRUE(is_provisional_id(id));
  ASSERT_THAT(spool.records(), SizeIs(1));
  const auto record = spool.records().front();
  EXPECT_EQ(record.header.kind, RecordKind::experiment_edit);
  const auto edit = mlflow::parse_experiment_edit(*record.payload);
  ASSERT_TRUE(edit.has_value());
  const auto& create = std::get<mlflow::CreateExperiment>(*edit);
  EXPECT_EQ(create.name, "/Shared/chat");
  EXPECT_EQ(create.provisional_id, id);
  EXPECT_EQ(id_in(call("POST", kCreate, kBody)), id) << "the same request again";
  EXPECT_THAT(spool.records(), SizeIs(1));
}

TEST_F(MlflowExperiments, AProvisionalIdOfALostSpoolStandsForTheConfiguredOne) {
  open_before_a_server();
  const auto answer = call("GET", "/api/2.0/mlflow/experiments/get?experiment_id=9200000000000000123");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("name":"configured")"));
  EXPECT_THAT(far.asked, IsEmpty());
}

TEST_F(MlflowExperiments, AnIdThatNobodyCanVouchForIsTakenOnTrust) {
  open_before_a_server();
  far.state_ = State::away;
  const auto answer = call("GET", "/api/2.0/mlflow/experiments/get?experiment_id=77");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(id_in(answer), "77");
  EXPECT_NE(header(answer, "X-Spanferry-Partial"), "");
}

TEST_F(MlflowExperiments, TheConfiguredOneIsToldToBeLinkedAsConfiguredUntilTheFarSideSays) {
  open_before_a_workspace("main.genai.app");
  far.state_ = State::away;
  const auto answer = call("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=configured");
  EXPECT_THAT(answer.body, HasSubstr(R"("value":"main.genai.app_otel_spans")"));
  const auto other = call("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=other");
  EXPECT_THAT(other.body, Not(HasSubstr("main.genai.app")));
}

}  // namespace
}  // namespace spanferry::test
