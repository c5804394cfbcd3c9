#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/clock.hpp"
#include "tests/unit/uploader/table_fixture.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using TableDeliveryTest = TableFixture;

TEST_F(TableDeliveryTest, SpansGoByOtlpAndThenTheInfo) {
  append({trace_span(1, 1, 0, "root"), trace_span(1, 2, 1, "child")});
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(2));
  EXPECT_EQ(workspace.calls[0].what, kSpans);
  EXPECT_EQ(workspace.calls[1].what,
            "POST https://workspace" + std::string(kInfo) + trace_of(1).hex() + "/info");
  EXPECT_THAT(workspace.calls[1].body, HasSubstr("\"mlflow.traceName\":\"root\""));
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1), row(1, 2)));
  EXPECT_EQ(settled()[Outcome::delivered], 2U);
}

TEST_F(TableDeliveryTest, TracesThatAreDueTogetherShareARequest) {
  settings.concurrency = 16;
  for (std::uint32_t n = 1; n <= 12; ++n) append({trace_span(n, 1, 0), trace_span(n, 2, 1)});
  start();
  track->drain();
  ASSERT_TRUE(run_until_settled());
  EXPECT_LE(workspace.calls_of(kSpans).size(), 3U);
  EXPECT_THAT(workspace.rows, SizeIs(24));
  EXPECT_THAT(workspace.table_infos, SizeIs(12));
}

TEST_F(TableDeliveryTest, RequestsStayUnderTheirLimit) {
  settings.concurrency = 16;
  settings.max_batch_bytes = 2000;
  const std::string text(900, 'x');
  std::vector<std::uint8_t> ids{1, 2, 3, 4, 5};
  for (std::uint32_t n = 1; n <= 4; ++n)
    append({trace_span(n, 1, 0, text), trace_span(n, 2, 1, text), trace_span(n, 3, 1, text)});
  start();
  ASSERT_TRUE(run_until_settled());
  for (const auto& call : workspace.calls_of(kSpans)) EXPECT_LE(call.body.size(), 2000U);
  EXPECT_THAT(workspace.rows, SizeIs(12));
}

TEST_F(TableDeliveryTest, ASpanThatCameTwiceIsOneRowAndCountsTwice) {
  append({trace_span(1, 1, 0, "first")});
  append({trace_span(1, 1, 0, "second"), trace_span(1, 2, 1)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1), row(1, 2)));
  EXPECT_EQ(settled()[Outcome::delivered], 3U);
}

TEST_F(TableDeliveryTest, LateSpansAreAddedAndTheInfoComesAnewWithoutTags) {
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  append({trace_span(1, 2, 1), trace_span(1, 1, 0)});
  track->drain();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1), row(1, 2)));
  const auto infos = workspace.calls_of(kInfo);
  ASSERT_THAT(infos, SizeIs(2));
  EXPECT_THAT(infos[0].body, HasSubstr("\"tags\""));
  EXPECT_THAT(infos[1].body, Not(HasSubstr("\"tags\"")));
  EXPECT_THAT(infos[1].body, HasSubstr("\\\"num_spans\\\": 2"));
}

TEST_F(TableDeliveryTest, LateSpansDoNotTellLessThanIsThere) {
  append({trace_span(1, 1, 0), trace_span(1, 2, 1)});
  start();
  ASSERT_TRUE(run_until_settled());
  spool.forget_payloads();
  append({trace_span(1, 3, 1)});
  track->drain();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, SizeIs(3));
  EXPECT_THAT(workspace.calls_of(kInfo), SizeIs(1));
  EXPECT_EQ(calls_of_storage(), 0U);
}

TEST_F(TableDeliveryTest, WithoutARootNoInfoIsTold) {
  append({trace_span(1, 2, 1)});
  start();
  track->drain();
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    return call.what.starts_with("GET") ? std::optional(refusal(Action::not_found, 404)) : std::nullopt;
  };
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, SizeIs(1));
  EXPECT_THAT(workspace.table_infos, SizeIs(0));
}

TEST_F(TableDeliveryTest, WhatWasSentBeforeAKillIsNotSentAgain) {
  append({trace_span(1, 1, 0)});
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    return call.what.find(kInfo) != std::string::npos ? std::optional(Verdict{}) : std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until([this] { return !workspace.calls_of(kInfo).empty(); }));
  stop();
  EXPECT_EQ(spool.cursor_of("workspace").position(), 1U);
  workspace.intervene = nullptr;
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, SizeIs(1)) << "a table is only appended to";
  EXPECT_THAT(workspace.table_infos, SizeIs(1));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST_F(TableDeliveryTest, SpansThatComeAfterTheInfoOfTheirClientGoToItsTable) {
  mlflow::WrittenInfo info;
  info.trace = trace_of(1);
  info.experiment_id = "1";
  spool::Entry entry;
  entry.header.kind = RecordKind::trace_info;
  entry.header.received_ns = unix_now_ns();
  entry.payload = std::make_shared<const std::string>(mlflow::encode(info));
  entry.traces = {trace_of(1)};
  std::vector<spool::Entry> entries;
  entries.push_back(std::move(entry));
  spool.append(std::move(entries), {});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.table_infos, SizeIs(1));
  append({trace_span(1, 1, 0)});
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, SizeIs(1));
  EXPECT_THAT(workspace.calls_of("credentials"), SizeIs(0));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST_F(TableDeliveryTest, ARecordMayNameItsTableItself) {
  experiments.impossible = refusal(Action::split, 404);
  experiments.table.clear();
  append({trace_span(1, 1, 0)}, Route{{}, {}, "main.genai.app_otel_spans"});
  append({trace_span(2, 1, 0)}, Route{{}, {}, "main.genai.my_own_table"});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of(kSpans), SizeIs(2)) << "one table a request";
  EXPECT_THAT(workspace.table_infos, SizeIs(1)) << "where MLflow keeps the info of the other nobody knows";
}

TEST_F(TableDeliveryTest, ATableThatIsNotThereHoldsWhatIsForIt) {
  bool there = false;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    return !there && call.what == kSpans ? std::optional(refusal(Action::not_found, 404)) : std::nullopt;
  };
  append({trace_span(1, 1, 0)});
  start();
  auto& cursor = spool.cursor_of("workspace");
  ASSERT_TRUE(run_until([&] { return cursor.parked_parts.size() == 1; }));
  there = true;
  ASSERT_TRUE(run_until([&] { return cursor.parked_parts.empty(); }));
  EXPECT_THAT(workspace.rows, SizeIs(1));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST_F(TableDeliveryTest, AnInfoThatIsRefusedLeavesTheSpansWhereTheyAre) {
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    return call.what.find(kInfo) != std::string::npos ? std::optional(refusal(Action::split, 400))
                                                      : std::nullopt;
  };
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
  EXPECT_THAT(workspace.rows, SizeIs(1));
}

TEST_F(TableDeliveryTest, AnInfoThatIsForbiddenWaitsAndItsSpansAreNotSentAgain) {
  bool allowed = false;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    const bool is_info = call.what.find(kInfo) != std::string::npos;
    return is_info && !allowed ? std::optional(refusal(Action::forbidden, 403)) : std::nullopt;
  };
  append({trace_span(1, 1, 0), trace_span(1, 2, 1)});
  start();
  auto& cursor = spool.cursor_of("workspace");
  ASSERT_TRUE(run_until([&] { return cursor.parked_parts.size() == 1; }));
  ASSERT_TRUE(run_until([&] { return workspace.calls_of(kInfo).size() >= 3; })) << "it is probed";
  append({trace_span(1, 3, 1)});
  ASSERT_TRUE(run_until([&] { return cursor.parked_parts.size() == 2; }));
  allowed = true;
  ASSERT_TRUE(run_until([&] { return cursor.parked_parts.empty() && cursor.lag_records() == 0; }));
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1), row(1, 2), row(1, 3)));
  EXPECT_THAT(workspace.table_infos, SizeIs(1));
  EXPECT_EQ(settled()[Outcome::delivered], 3U);
}

TEST_F(TableDeliveryTest, WhatWasParkedAndSentBeforeAKillIsNotSentAgain) {
  bool there = false, stops = true;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what == kSpans && !there) return refusal(Action::not_found, 404);
    return stops && call.what.find(kInfo) != std::string::npos ? std::optional(Verdict{}) : std::nullopt;
  };
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until([&] { return cursor().parked_parts.size() == 1; }));
  there = true;
  ASSERT_TRUE(run_until([this] { return !workspace.calls_of(kInfo).empty(); }));
  stop();
  stops = false;
  start();
  ASSERT_TRUE(run_until([&] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(workspace.rows, SizeIs(1));
  EXPECT_THAT(workspace.table_infos, SizeIs(1));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST_F(TableDeliveryTest, WhatIsToBeParkedWaitsUntilTheSpoolCanBeRead) {
  workspace.intervene = [this](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what != kSpans) return std::nullopt;
    // It is looked up anew, and only then set aside.
    if (workspace.calls_of(kSpans).size() == 3) spool.fails_after_reads = 0;
    return refusal(Action::not_found, 404);
  };
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until([this] { return spool.failed_reads > 0; }));
  EXPECT_EQ(cursor().position(), 1U);
  spool.fails_after_reads.reset();
  workspace.intervene = nullptr;
  ASSERT_TRUE(run_until_settled());
  ASSERT_TRUE(run_until([&] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(workspace.rows, SizeIs(1));
  EXPECT_EQ(settled()[Outcome::lost], 0U);
}

TEST_F(TableDeliveryTest, WhatTheSpoolCannotGiveIsNotDeliveredYet) {
  append({trace_span(1, 1, 0)});
  spool.fails_after_reads = 1;  // it is gathered, and then cannot be had
  start();
  ASSERT_TRUE(run_until([this] { return spool.failed_reads > 0; }));
  EXPECT_EQ(spool.cursor_of("workspace").position(), 1U);
  EXPECT_THAT(workspace.rows, SizeIs(0));
  spool.fails_after_reads.reset();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1)));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST_F(TableDeliveryTest, WhatIsDamagedSinceItWasGatheredIsADeadLetterAndTheRestGoes) {
  append({trace_span(1, 1, 0)});
  append({trace_span(1, 2, 1), trace_span(1, 3, 1)});
  spool.damaged_after_reads[2] = 1;
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1)));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
  EXPECT_EQ(settled()[Outcome::dead], 2U);
  ASSERT_THAT(spool.cursor_of("workspace").dead, SizeIs(1));
  EXPECT_THAT(spool.cursor_of("workspace").dead[0].reason, HasSubstr("record 2"));
}

TEST_F(TableDeliveryTest, LateSpansInATableWithoutInfosDoNotWaitForARoot) {
  const Route to_table{{}, {}, "main.genai.my_own_table"};
  append({trace_span(1, 1, 0)}, to_table);
  start();
  ASSERT_TRUE(run_until_settled());
  append({trace_span(1, 2, 1)}, to_table);
  ASSERT_TRUE(run_until_settled()) << "max_open has not passed";
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1), row(1, 2)));
}

struct TableEditsTest : TableFixture {
  using Way = mlflow::EditAssessment::Way;
  void edit(const mlflow::TraceEdit& what) {
    spool::Entry entry;
    entry.header.kind = RecordKind::trace_edit;
    entry.header.received_ns = unix_now_ns();
    entry.payload = std::make_shared<const std::string>(mlflow::encode(what));
    entry.traces = {trace_of(1)};
    std::vector<spool::Entry> entries;
    entries.push_back(std::move(entry));
    spool.append(std::move(entries), {});
    if (track) track->records_arrived();
  }
  void edit_all() {
    edit(mlflow::SetTag{"a b", std::nullopt});
    edit(mlflow::EditAssessment{Way::create, "a-1", R"({"assessment_name":"n","feedback":{"value":1}})", ""});
    edit(mlflow::EditAssessment{Way::update, "a-1", R"({"assessment_name":"m"})", "assessmentName"});
    edit(mlflow::EditAssessment{Way::remove, "a-1", "", ""});
  }
  [[nodiscard]] std::vector<std::string> made() const {
    std::vector<std::string> all;
    for (const auto& call : workspace.calls) all.push_back(call.what);
    return all;
  }
  const std::string base = "https://workspace" + std::string(kInfo) + trace_of(1).hex();
};

TEST_F(TableEditsTest, GoByV4AfterTheInfo) {
  append({trace_span(1, 1, 0)});
  edit(mlflow::SetTag{"a b", "1"});
  start();
  ASSERT_TRUE(run_until_settled());
  edit_all();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(made(),
              ::testing::ElementsAre(kSpans, "POST " + base + "/info", "PATCH " + base + "/tags",
                                     "DELETE " + base + "/tags/a%20b", "POST " + base + "/assessments",
                                     "PATCH " + base + "/assessments/a-1?update_mask=assessment_name",
                                     "DELETE " + base + "/assessments/a-1"));
  EXPECT_THAT(workspace.calls[4].body,
              ::testing::StartsWith(R"({"trace_location":{"type":"UC_TABLE_PREFIX","uc_table_prefix":{)"));
  EXPECT_THAT(workspace.calls[4].body, HasSubstr("\"trace_id\":\"" + trace_of(1).hex() + "\""));
  EXPECT_EQ(calls_of_storage(), 0U);
}

// The calls in which MLflow's client names it.
TEST_F(TableEditsTest, NameTheWarehouseThatIsConfigured) {
  settings.sql_warehouse_id = "0a1b";
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  edit_all();
  ASSERT_TRUE(run_until_settled());
  const std::string named = "?sql_warehouse_id=0a1b";
  EXPECT_THAT(made(), ::testing::ElementsAre(
                          kSpans, "POST " + base + "/info", "DELETE " + base + "/tags/a%20b" + named,
                          "POST " + base + "/assessments" + named,
                          "PATCH " + base + "/assessments/a-1" + named + "&update_mask=assessment_name",
                          "DELETE " + base + "/assessments/a-1" + named));
}

// An experiment that is linked while its traces wait.
struct ChangingOver : TableFixture {
  const std::string table = "main.genai.app_otel_spans";
  ChangingOver() { experiments.table.clear(); }
  void link() {
    experiments.table = table;
    experiments.linked_since = spool.end();
  }
};

TEST_F(ChangingOver, WhatWaitsGoesToTheTableAndWhatWasDeliveredStays) {
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  stop();
  append({trace_span(2, 1, 0)});
  link();
  append({trace_span(1, 2, 1)});
  append({trace_span(3, 1, 0)});
  start();
  track->drain();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(2)) << "late spans join their trace";
  EXPECT_THAT(workspace.files, SizeIs(1));
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(2, 1), row(3, 1)));
  EXPECT_THAT(workspace.table_infos, SizeIs(2));
  EXPECT_EQ(settled()[Outcome::delivered], 4U);
}

TEST_F(ChangingOver, ATraceThatHadBegunWhenTheProcessDiedIsFinishedWhereItBegan) {
  append({trace_span(1, 1, 0)});
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    return call.surface == Surface::storage ? std::optional(Verdict{}) : std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until([this] { return !workspace.calls_of("PUT").empty(); }));
  stop();
  workspace.intervene = nullptr;
  link();
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(1));
  EXPECT_THAT(workspace.rows, SizeIs(0));
  EXPECT_THAT(workspace.table_infos, SizeIs(0));
}

TEST_F(ChangingOver, WhatCameAfterItIsNotAskedFor) {
  link();
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls, SizeIs(2));
}

}  // namespace
}  // namespace spanferry::uploader
