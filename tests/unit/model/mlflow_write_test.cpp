#include "model/mlflow_write.hpp"

#include <gtest/gtest.h>

#include "model/provisional_id.hpp"

namespace spanferry::mlflow {
namespace {

constexpr const char* kHex = "0123456789abcdef0123456789abcdef";

TEST(MlflowWrite, AnInfoReadsBackAsItWasWritten) {
  const auto info = parse_written_info(R"({"trace_id":"tr-0123456789abcdef0123456789abcdef",
    "trace_location":{"type":"MLFLOW_EXPERIMENT","mlflow_experiment":{"experiment_id":"7"}},
    "client_request_id":"r\"1","request_preview":"in","request_time":"2026-11-24T02:34:52.170Z",
    "execution_duration":"0.028s","state":"OK","trace_metadata":{"mlflow.user":"u","n":1},
    "tags":{"k":"v"},"assessments":[{"assessment_id":"a-1","feedback":{"value":9007199254740993}}]})");
  ASSERT_TRUE(info) << info.error().sentence;
  EXPECT_EQ(info->trace.hex(), kHex);
  EXPECT_EQ(info->experiment_id, "7");
  EXPECT_EQ(info->client_request_id, "r\"1");
  EXPECT_EQ(info->response_preview, std::nullopt);
  EXPECT_EQ(info->request_time_ms, 1795487692170);
  EXPECT_EQ(info->execution_duration_ms, 28);
  EXPECT_EQ(info->metadata, (std::map<std::string, std::string>{{"mlflow.user", "u"}}));
  ASSERT_EQ(info->assessments.size(), 1U);
  EXPECT_NE(info->assessments.front().find("9007199254740993"), std::string::npos);

  const auto again = parse_written_info(encode(*info));
  ASSERT_TRUE(again) << again.error().sentence;
  EXPECT_EQ(encode(*again), encode(*info));
  EXPECT_EQ(again->experiment_id, "7");
  EXPECT_EQ(again->tags, info->tags);
}

TEST(MlflowWrite, CamelCaseAndUnityCatalogLocationsAreUnderstood) {
  const auto info = parse_written_info(R"({"traceId":"0123456789abcdef0123456789abcdef","state":"MAYBE",
    "traceLocation":{"ucTablePrefix":{"catalogName":"c","schemaName":"s","tablePrefix":"p"}},
    "requestTime":"soon","traceMetadata":{"a":"b"}})");
  ASSERT_TRUE(info) << info.error().sentence;
  EXPECT_EQ(info->location, "c.s.p");
  EXPECT_EQ(info->state, "");
  EXPECT_EQ(info->request_time_ms, std::nullopt);
  EXPECT_EQ(info->metadata.at("a"), "b");
}

TEST(MlflowWrite, AnInfoWithoutATraceIdThatSpansCanHaveIsRefused) {
  for (const char* json : {R"({})", R"({"trace_id":""})", R"({"trace_id":"tr-12"})", R"([])", "no",
                           R"({"trace_id":"tr-00000000000000000000000000000000"})"}) {
    const auto info = parse_written_info(json);
    ASSERT_FALSE(info) << json;
    EXPECT_EQ(info.error().kind, ErrorKind::invalid_input);
  }
}

TEST(MlflowWrite, IdsOfAllThreeForms) {
  const std::string hex = kHex;
  for (const std::string& id : {hex, "tr-" + hex, "trace:/c.s.p/" + hex})
    EXPECT_EQ(parse_trace_id(id).value_or(TraceId{}).hex(), hex) << id;
  EXPECT_FALSE(parse_trace_id("tr-"));
  EXPECT_FALSE(parse_trace_id("trace:/c.s.p"));
}

TEST(MlflowWrite, EditsReadBackAsTheyWereWritten) {
  using enum EditAssessment::Way;
  const std::vector<TraceEdit> edits = {
      SetTag{"k\n", "v"},
      SetTag{"k", ""},
      SetTag{"k", std::nullopt},
      EditAssessment{create, "a-1", R"({"feedback":{"value":true}})", ""},
      EditAssessment{update, "a-1", R"({"rationale":"r"})", "rationale"},
      EditAssessment{remove, "a-1", "", ""},
      LinkToRun{"run"},
      FeedbackByRequest{"req", "a-2", R"({"assessment_name":"n"})"},
  };
  for (const TraceEdit& edit : edits) {
    const auto again = parse_trace_edit(encode(edit));
    ASSERT_TRUE(again) << encode(edit);
    EXPECT_EQ(*again, edit) << encode(edit);
  }
  EXPECT_EQ(parse_trace_edit(R"({"op":"paint"})").error().kind, ErrorKind::unsupported);
  EXPECT_EQ(parse_trace_edit("no").error().kind, ErrorKind::invalid_input);
}

TEST(MlflowWrite, DeletionsExperimentsAndArtifactsReadBackAsTheyWereWritten) {
  const TraceDelete deletion{1795487692170, 5};
  EXPECT_EQ(parse_trace_delete(encode(deletion)).value_or(TraceDelete{}), deletion);
  const std::vector<ExperimentEdit> edits = {
      CreateExperiment{"/Shared/a", "9200000000000000001", {{"k", "v"}}}, SetExperimentTag{"k", "v"},
      MakeLocation{"main.genai.app", "w-1"}, MakeLocation{"main.genai.app", ""},
      LinkLocation{"main.genai.app"}};
  for (const ExperimentEdit& edit : edits) {
    const auto again = parse_experiment_edit(encode(edit));
    ASSERT_TRUE(again) << encode(edit);
    EXPECT_EQ(*again, edit);
  }
  const std::string bytes("\n\0{x", 4);
  const std::string payload = encode(Artifact{"attachments/1", "image/png", bytes});
  const auto artifact = parse_artifact(payload);
  ASSERT_TRUE(artifact);
  EXPECT_EQ(artifact->path, "attachments/1");
  EXPECT_EQ(artifact->content_type, "image/png");
  EXPECT_EQ(artifact->bytes, bytes);
}

TEST(ProvisionalId, IsTheSameForTheSameNameAndInItsRange) {
  const std::string id = provisional_id("workspace", "/Shared/a");
  EXPECT_EQ(id, provisional_id("workspace", "/Shared/a"));
  EXPECT_NE(id, provisional_id("workspace", "/Shared/a", 1));
  EXPECT_NE(id, provisional_id("other", "/Shared/a"));
  EXPECT_TRUE(is_provisional_id(id)) << id;
  for (const char* other : {"0", "", "9199999999999999999", "9223372036854775808", "920000000000000000a"})
    EXPECT_FALSE(is_provisional_id(other)) << other;
  const auto kept = parse_provisional(encode(Provisional{"d", "n\nm"}));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->name, "n\nm");
}

}  // namespace
}  // namespace spanferry::mlflow
