// What is about no trace in particular, on its way to an MLflow server.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/uploader/written_fixture.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

// A location, and the link of experiment 5 to it.
void write_location(WrittenFixture& fixture) {
  fixture.write(RecordKind::experiment_edit, 0,
                mlflow::encode(mlflow::ExperimentEdit(mlflow::MakeLocation{"main.genai.app", "w-1"})));
  fixture.write(RecordKind::experiment_edit, 0,
                mlflow::encode(mlflow::ExperimentEdit(mlflow::LinkLocation{"main.genai.app"})), 0,
                {"5", {}, {}});
}

struct LooseWritesToMlflow : WrittenFixture {
  std::unique_ptr<PromptSpans> spans;
  LooseWritesToMlflow() {
    settings.kind = Kind::mlflow;
    spans = std::make_unique<PromptSpans>(spool.cursor_of("workspace"));
    first = [this](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
      if (call.what.ends_with("/traces/search")) return answer(200, found);
      if (call.what.find("/experiments/") != std::string::npos) return answer(200, "{}");
      return std::nullopt;
    };
  }
  void start() {
    track = make_mlflow_info_track(context(), *spans);
    track->start();
  }
  MemoryCursor& cursor() { return spool.cursor_of("workspace#info"); }

  std::string found = "{}";  // what a search answers
};

TEST_F(LooseWritesToMlflow, ExperimentsAreMadeAndTaggedInOrder) {
  write(RecordKind::experiment_edit, 0,
        mlflow::encode(mlflow::ExperimentEdit(
            mlflow::CreateExperiment{"/Shared/x", "9200000000000000001", {{"team", "a"}}})));
  write(RecordKind::experiment_edit, 0,
        mlflow::encode(mlflow::ExperimentEdit(mlflow::SetExperimentTag{"team", "b"})), 0, {"5", {}, {}});
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(2));
  EXPECT_THAT(workspace.calls[0].what, HasSubstr("/api/2.0/mlflow/experiments/create"));
  EXPECT_EQ(workspace.calls[0].body, R"({"name":"/Shared/x","tags":[{"key":"team","value":"a"}]})");
  EXPECT_EQ(workspace.calls[1].body, R"({"experiment_id":"5","key":"team","value":"b"})");
}

TEST_F(LooseWritesToMlflow, AnExperimentThatIsThereGetsItsTagsAllTheSame) {
  first = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what.ends_with("/create")) return refusal(Action::exists, 400);
    return answer(200, "{}");
  };
  write(RecordKind::experiment_edit, 0,
        mlflow::encode(mlflow::ExperimentEdit(mlflow::CreateExperiment{"x", "", {{"team", "a"}}})));
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of("set-experiment-tag"), SizeIs(1));
  EXPECT_THAT(cursor().dead, IsEmpty());
}

TEST_F(LooseWritesToMlflow, ARefusedOneIsADeadLetterAndHoldsNoTrace) {
  first = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what.ends_with("/create")) return refusal(Action::split, 400);
    return std::nullopt;
  };
  write(RecordKind::experiment_edit, 0,
        mlflow::encode(mlflow::ExperimentEdit(mlflow::CreateExperiment{"bad name", "", {}})));
  write_info(1);
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_EQ(cursor().dead[0].kind, RecordKind::experiment_edit);
  EXPECT_NE(at(1), nullptr);
}

TEST_F(LooseWritesToMlflow, UnityCatalogLocationsAreNothingToAnMlflowServer) {
  write_location(*this);
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls, IsEmpty());
  EXPECT_THAT(cursor().dead, IsEmpty());
}

TEST_F(LooseWritesToMlflow, ADeletionByTimeWaitsForTheTracesBeforeIt) {
  settings.assemble.quiet = std::chrono::milliseconds(30);
  write_info(1);
  write(RecordKind::trace_delete, 0, mlflow::encode(mlflow::TraceDelete{1'800'000'000'000, 0}), 0,
        {"1", {}, {}});
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(2));
  EXPECT_THAT(workspace.calls[0].what, HasSubstr("/api/3.0/mlflow/traces"));
  EXPECT_EQ(workspace.calls[1].body, R"({"experiment_id":"1","max_timestamp_millis":1800000000000})");
}

TEST_F(LooseWritesToMlflow, FeedbackGoesToTheTraceThatIsKnownHere) {
  list_here(2, "another");
  list_here(1, "r-1");
  write_info(1);
  feedback("r-1");
  start();
  ASSERT_TRUE(run_until([this] { return at(1) != nullptr && !at(1)->assessments.empty(); }));
  EXPECT_THAT(at(1)->assessments, ElementsAre(Pair("a-1", HasSubstr("\"value\":true"))));
  EXPECT_THAT(workspace.calls_of("/traces/search"), IsEmpty());
}

TEST_F(LooseWritesToMlflow, FeedbackIsSearchedForAtTheFarSideAndParkedUntilItsTraceIsThere) {
  feedback("r-1");
  write_info(1);
  start();
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.size() == 1 && cursor().position() == 3; }));
  const auto searches = workspace.calls_of("/traces/search");
  ASSERT_THAT(searches, SizeIs(1));
  EXPECT_THAT(searches[0].body, HasSubstr("attributes.client_request_id = 'r-1'"));
  found = R"({"traces":[{"trace_id":")" + mlflow::trace_name_of(trace_of(1)) + R"("}]})";
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(at(1)->assessments, SizeIs(1));
  EXPECT_THAT(cursor().dead, IsEmpty());
}

TEST_F(LooseWritesToMlflow, FeedbackThatFindsNoTraceInADayIsADeadLetter) {
  feedback("r-1");
  spool.log.back().header.received_ns -= 25LL * 3600 * 1'000'000'000;
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_THAT(cursor().dead[0].reason, HasSubstr("24 hours"));
  EXPECT_THAT(cursor().dead[0].reason, HasSubstr("r-1"));
}

struct LooseWritesToWorkspace : WrittenFixture {
  static constexpr std::string_view kPlace =
      R"("uc_table_prefix":{"catalog_name":"main","schema_name":"genai","table_prefix":"app"})";
};

TEST_F(LooseWritesToWorkspace, UnityCatalogLocationsAreMadeAndThenLinked) {
  first = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    // Made before: an answer was lost.
    if (call.what.ends_with("/locations")) return refusal(Action::exists, 409);
    return answer(200, "{}");
  };
  write_location(*this);
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(2));
  EXPECT_THAT(workspace.calls[0].what, HasSubstr("POST https://workspace/api/5.0/mlflow/tracing/locations"));
  EXPECT_EQ(workspace.calls[0].body, fmt::format(R"({{{},"sql_warehouse_id":"w-1"}})", kPlace));
  EXPECT_THAT(workspace.calls[1].what, HasSubstr("/api/5.0/mlflow/experiments/5/trace-location:link"));
  EXPECT_EQ(workspace.calls[1].body, fmt::format(R"({{"experiment_id":"5",{}}})", kPlace));
  EXPECT_EQ(experiments.forgotten, 1) << "where its traces go is asked anew";
  EXPECT_THAT(spool.cursor_of("workspace").dead, IsEmpty());
}

TEST_F(LooseWritesToWorkspace, ALocationThatIsRefusedIsADeadLetter) {
  first = [](const FakeWorkspace::Call&) { return std::optional(refusal(Action::split, 400)); };
  write_location(*this);
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(spool.cursor_of("workspace").dead, SizeIs(2));
  EXPECT_EQ(experiments.forgotten, 0);
}

}  // namespace
}  // namespace spanferry::uploader
