// Traces and files that the far side has: asked for where it keeps them, and laid under what is here.
#include <fmt/format.h>

#include "model/percent_encode.hpp"
#include "tests/unit/ingest/mlflow_api_fixture.hpp"

namespace spanferry::test {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr std::string_view kHex = "0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view kGet = "/api/3.0/mlflow/traces/get?trace_id=tr-0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view kFile =
    "/api/2.0/mlflow-artifacts/artifacts/7/traces/tr-0af7651916cd43dd8448eb211c80319c/artifacts/attachments/"
    "a1";
constexpr std::string_view kPartial = "X-Spanferry-Partial";
const std::string kInfo =
    R"("trace_info":{"trace_id":"tr-0af7651916cd43dd8448eb211c80319c","state":"OK","tags":{"k":"there"}})";
const std::string kSpan =
    R"({"trace_id":"CvdlGRbNQ92ESOshHIAxnA==","span_id":"AAAAAAAAAAE=","parent_span_id":null,"name":"far",)"
    R"("start_time_unix_nano":5,"end_time_unix_nano":9,"events":[],"status":{"code":"STATUS_CODE_OK"},)"
    R"("attributes":{},"links":[]})";

class MlflowFarReads : public MlflowApi {
 protected:
  void say_info() { far.say(200, R"({"trace":{)" + kInfo + "}}"); }
};

TEST_F(MlflowFarReads, SpansOfExperimentStorageAreInAFileBehindASignedAddress) {
  open_before_a_workspace();
  say_info();
  far.say(200, R"({"spans":[)" + kSpan + "]}");
  const auto answer = call("GET", kGet);
  EXPECT_THAT(answer.body, HasSubstr(R"("name":"far")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("k":"there")"));
  EXPECT_EQ(header(answer, kPartial), "");
  ASSERT_THAT(far.asked, SizeIs(2));
  EXPECT_FALSE(far.asked[0].behind_signed_address);
  EXPECT_TRUE(far.asked[1].behind_signed_address);
  EXPECT_EQ(far.asked[1].path,
            fmt::format("/api/2.0/mlflow/traces/tr-{}/credentials-for-data-download", kHex));
  EXPECT_LE(far.asked[1].deadline, std::chrono::seconds(2));
}

TEST_F(MlflowFarReads, AFileThatDoesNotComeMakesTheAnswerPartialAndOneThatIsNotThereDoesNot) {
  open_before_a_workspace();
  for (const int status : {503, 404}) {
    say_info();
    far.say(status, "<Error/>");
    const auto answer = call("GET", kGet);
    EXPECT_THAT(answer.body, HasSubstr(R"("k":"there")")) << status;
    EXPECT_EQ(header(answer, kPartial).empty(), status == 404);
  }
  far.say(404, R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})");
  EXPECT_EQ(call("GET", kGet).status, 404);
  EXPECT_THAT(far.asked, SizeIs(5)) << "no file of a trace that is not there";
}

TEST_F(MlflowFarReads, ATraceInATableIsAskedForThere) {
  open_before_a_workspace();
  const std::string info =
      fmt::format(R"("trace_info":{{"trace_id":"{}","state":"OK","tags":{{"k":"there"}}}})", kHex);
  far.say(200, R"({"traces":[{)" + info + R"(,"spans":[)" +
                   R"({"trace_id":"CvdlGRbNQ92ESOshHIAxnA==","span_id":"AAAAAAAAAAE=","name":"far",)" +
                   R"("start_time_unix_nano":"5","end_time_unix_nano":"9"}]}]})");
  const auto batch = call(
      "GET",
      fmt::format("/api/4.0/mlflow/traces/main.genai.app/batchGet?trace_ids={}&sql_warehouse_id=w1", kHex));
  EXPECT_THAT(batch.body, HasSubstr(R"("name":"far")"));
  EXPECT_EQ(
      far.asked.at(0).path,
      fmt::format("/api/4.0/mlflow/traces/main.genai.app/batchGet?location_id=main.genai.app&trace_ids={}"
                  "&sql_warehouse_id=w1",
                  kHex));
  far.say(200, R"({"trace":{)" + info + "}}");
  const auto one = call("GET", fmt::format("/api/4.0/mlflow/traces/main.genai.app/{}/info", kHex));
  EXPECT_THAT(one.body, HasSubstr(R"("k":"there")"));
  EXPECT_EQ(far.asked.at(1).path, fmt::format("/api/4.0/mlflow/traces/main.genai.app/{}/info", kHex));
  far.say(200, R"({"traces":[]})");
  const auto none =
      call("GET", fmt::format("/api/4.0/mlflow/traces/main.genai.app/batchGet?trace_ids={}", kHex));
  EXPECT_EQ(none.body, R"({"traces":[]})");
  EXPECT_EQ(header(none, kPartial), "");
}

TEST_F(MlflowFarReads, AnExperimentThatIsLinkedTellsWhereItsTracesAre) {
  open_before_a_workspace();
  far.say(200, R"({"experiment":{"experiment_id":"7","name":"configured","tags":[)"
               R"({"key":"mlflow.experiment.databricksTraceDestinationPath","value":"main.genai.app"}]}})");
  call("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=configured");
  far.say(404, R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})");
  say_info();
  const auto answer = call("GET", kTracePath);
  ASSERT_THAT(far.asked, SizeIs(3));
  EXPECT_THAT(far.asked[1].path, HasSubstr("/api/4.0/mlflow/traces/main.genai.app/"));
  EXPECT_THAT(answer.body, HasSubstr(R"("k":"there")")) << "it may be older than the link";
}

TEST_F(MlflowFarReads, AttachmentsThatAreNotHereAnyMore) {
  open_before_a_server();
  far.say(200, "bytes");
  EXPECT_EQ(call("GET", kFile).body, "bytes");
  EXPECT_EQ(far.asked.at(0).path, kFile);
  open_before_a_workspace();
  far.say(200, "bytes");
  EXPECT_EQ(call("GET", kFile).body, "bytes");
  EXPECT_TRUE(far.asked.at(1).behind_signed_address);
  EXPECT_EQ(far.asked.at(1).path,
            fmt::format("/api/2.0/mlflow/traces/tr-{}/credentials-for-data-download?path={}", kHex,
                        percent_encode("attachments/a1")));
  far.say(404, "");
  const auto none = call("GET", kFile);
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(header(none, kPartial), "");
  far.state_ = State::away;
  const auto unknown = call("GET", kFile);
  EXPECT_EQ(unknown.status, 404);
  EXPECT_NE(header(unknown, kPartial), "");
}

}  // namespace
}  // namespace spanferry::test
