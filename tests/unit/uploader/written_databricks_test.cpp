// What an MLflow client writes, on its way to Databricks experiment storage.
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

struct WrittenToDatabricks : WrittenFixture {
  MemoryCursor& cursor() { return spool.cursor_of("workspace"); }
  static std::string span_file(std::uint32_t trace, std::initializer_list<std::uint8_t> ids) {
    std::vector<mlflow::StoredSpan> spans;
    for (const std::uint8_t id : ids) {
      mlflow::StoredSpan& span = spans.emplace_back();
      span.trace_id = trace_of(trace);
      span.span_id = span_id(id);
      if (id != 1) span.parent_id = span_id(1);
      span.name = "of the file";
      span.end_ns = 5;
    }
    return mlflow::spans_file(spans).body;
  }
  void write_file(std::uint32_t trace, std::initializer_list<std::uint8_t> ids) {
    write(RecordKind::trace_data, trace, span_file(trace, ids), static_cast<std::uint32_t>(ids.size()));
  }
  std::string file_of(std::uint32_t trace) { return workspace.files[mlflow::trace_name_of(trace_of(trace))]; }
};

constexpr std::string_view kStart = "POST https://workspace/api/3.0/mlflow/traces";

TEST_F(WrittenToDatabricks, ATraceGoesAsItsClientWroteItByteForByte) {
  defaults["region"] = "eu";
  write_info(1, {{"a", "1"}}, "7");
  write_file(1, {1, 2});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(file_of(1), span_file(1, {1, 2}));
  EXPECT_EQ(at(1)->experiment, "7");
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("a", "1")));
  EXPECT_EQ(workspace.calls.front().what, kStart);
  EXPECT_THAT(workspace.calls_of(kStart), SizeIs(1));
  EXPECT_EQ(settled()[Outcome::delivered], 2U);
}

TEST_F(WrittenToDatabricks, SpansThatComeAfterTheInfoAreUploadedAndNothingIsToldAgain) {
  write_info(1);
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls, SizeIs(1));
  write_file(1, {1});
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of(kStart), SizeIs(1));
  EXPECT_EQ(file_of(1), span_file(1, {1}));
}

TEST_F(WrittenToDatabricks, WhereASpanCameBothWaysTheCopyByOtlpCounts) {
  append({trace_span(1, 2, 1, "by OTLP"), trace_span(1, 3, 1, "by OTLP")});
  write_info(1);
  write_file(1, {1, 2});
  start();
  ASSERT_TRUE(run_until_settled());
  std::map<std::uint8_t, std::string> names;
  for (const auto& span : workspace.spans_of(trace_of(1))) names[span.span_id.bytes[7]] = span.name;
  EXPECT_THAT(names, ElementsAre(Pair(1, "of the file"), Pair(2, "by OTLP"), Pair(3, "by OTLP")));
  EXPECT_EQ(settled()[Outcome::delivered], 4U) << "what came twice was delivered twice";
}

TEST_F(WrittenToDatabricks, LateSpansJoinTheFileWhenTheSpoolHoldsItNoMore) {
  write_info(1);
  write_file(1, {1, 2});
  start();
  ASSERT_TRUE(run_until_settled());
  spool.forget_payloads();
  append({trace_span(1, 3, 1)});
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(3));
  EXPECT_THAT(workspace.calls_of(kStart), SizeIs(1));
}

TEST_F(WrittenToDatabricks, AKillBetweenInfoAndFileEndsWithBoth) {
  write_info(1, {{"a", "1"}});
  write_file(1, {1});
  set_tag(1, "a", "2");
  first = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what.find("credentials") != std::string::npos) return Verdict{};
    return std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until([this] { return !workspace.calls_of("credentials").empty(); }));
  stop();
  first = nullptr;
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(1));
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("a", "2")));
}

TEST_F(WrittenToDatabricks, ARefusedTraceMakesALetterForEachOfItsRecordsAndCanBeTriedAgain) {
  bool refuses = true;
  first = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (refuses && call.what == kStart) return refusal(Action::split, 400);
    return std::nullopt;
  };
  write_info(1);
  write_file(1, {1, 2});
  append({trace_span(1, 3, 1)});
  set_tag(1, "a", "1");
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(3));
  EXPECT_EQ(settled()[Outcome::dead], 3U);
  EXPECT_THAT(cursor().parked_parts, SizeIs(1)) << "the tag waits";
  refuses = false;
  spool.forget_payloads();
  for (int n = 0; n < 3; ++n) cursor().take_back(0);
  track->records_arrived();
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(3));
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("a", "1")));
  EXPECT_EQ(settled()[Outcome::delivered], 3U);
}

TEST_F(WrittenToDatabricks, AnUploadedFileThatCannotBeReadIsADeadLetterAlone) {
  write_info(1);
  write(RecordKind::trace_data, 1, "nonsense", 2);
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_NE(at(1), nullptr);
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_EQ(cursor().dead[0].kind, RecordKind::trace_data);
  EXPECT_EQ(settled()[Outcome::dead], 2U);
}

TEST_F(WrittenToDatabricks, ADeletedTraceIsNeverSentAndItsSpansCountAsDeleted) {
  write_info(1);
  write_file(1, {1, 2});
  remove(1);
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(at(1), nullptr);
  EXPECT_THAT(workspace.calls_of(kStart), IsEmpty());
  EXPECT_EQ(settled()[Outcome::deleted], 2U);
  append({trace_span(1, 3, 0)});
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(at(1), nullptr);
  EXPECT_EQ(settled()[Outcome::deleted], 3U);
}

TEST_F(WrittenToDatabricks, AnAttachmentGoesToTheStorageBehindTheTrace) {
  write_info(1);
  write(RecordKind::artifact, 1, mlflow::encode(mlflow::Artifact{"attachments/x-1", "image/png", "bytes"}));
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of("credentials-for-data-upload?path=attachments%2Fx-1"), SizeIs(1));
  ASSERT_THAT(workspace.calls_of("PUT"), SizeIs(1));
  EXPECT_EQ(workspace.calls_of("PUT")[0].body, "bytes");
}

}  // namespace
}  // namespace spanferry::uploader
