#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/uploader/trace_fixture.hpp"
#include "uploader/trace_marks.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

using DatabricksTrack = TraceFixture;

constexpr std::string_view kStart = "POST https://workspace/api/3.0/mlflow/traces";

TEST_F(DatabricksTrack, ATraceOfSeveralRecordsBecomesOneInfoThenOneFile) {
  start();
  append({trace_span(1, 2, 1), trace_span(1, 3, 1)});
  append({trace_span(1, 1, 0, "root")});
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls, SizeIs(3));
  EXPECT_THAT(workspace.calls_of(kStart), SizeIs(1));
  EXPECT_THAT(workspace.calls_of("PUT https://store/"), SizeIs(1));
  EXPECT_EQ(workspace.calls.front().what, kStart);
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(3));
  EXPECT_THAT(workspace.infos.begin()->second, HasSubstr("\"mlflow.traceName\":\"root\""));
  EXPECT_EQ(settled()[Outcome::delivered], 3U);
}

TEST_F(DatabricksTrack, BeginsNoTraceWhileOthersWaitForTheirTurn) {
  append({trace_span(1, 1, 0)});
  workspace.room = false;
  start();
  io.restart();
  io.run_for(std::chrono::milliseconds(50));
  EXPECT_THAT(workspace.calls, SizeIs(0));
  workspace.room = true;
  workspace.tell_of_room();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(1));
}

TEST_F(DatabricksTrack, EachTraceOfASharedRecordGoesByItself) {
  append({trace_span(1, 1, 0), trace_span(2, 1, 0), trace_span(3, 1, 0), trace_span(2, 2, 1)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(workspace.files.size(), 3U);
  EXPECT_THAT(workspace.spans_of(trace_of(2)), SizeIs(2));
  EXPECT_EQ(settled()[Outcome::delivered], 4U);
}

TEST_F(DatabricksTrack, ASpanSentTwiceIsThereOnceAndCountsTwice) {
  append({trace_span(1, 1, 0, "first")});
  append({trace_span(1, 1, 0, "second")});
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.spans_of(trace_of(1)), SizeIs(1));
  EXPECT_EQ(workspace.spans_of(trace_of(1))[0].name, "second");
  EXPECT_EQ(settled()[Outcome::delivered], 2U);
}

TEST_F(DatabricksTrack, NoSpansGoBeforeTheirStartTraceWasTaken) {
  int refusals = 2;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what != kStart || refusals-- <= 0) return std::nullopt;
    Verdict verdict = refusal(Action::split, 500);
    verdict.unproven = true;
    return verdict;
  };
  start();
  append({trace_span(1, 1, 0)});
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(workspace.calls[0].what, kStart);
  EXPECT_EQ(workspace.calls[1].what, kStart);
  EXPECT_EQ(workspace.calls[2].what, kStart);
  EXPECT_THAT(workspace.calls_of("PUT"), SizeIs(1));
}

TEST_F(DatabricksTrack, LateSpansRebuildTheFileAndSendNoTagsAgain) {
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  append({trace_span(1, 2, 1)});
  track->drain();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(2));
  const auto starts = workspace.calls_of(kStart);
  ASSERT_THAT(starts, SizeIs(2));
  EXPECT_THAT(starts[0].body, HasSubstr("\"tags\""));
  EXPECT_THAT(starts[1].body, Not(HasSubstr("\"tags\"")));
  EXPECT_THAT(workspace.calls_of("credentials-for-data-download"), SizeIs(0));
}

TEST_F(DatabricksTrack, LateSpansJoinWhatIsThereWhenTheSpoolHoldsItNoMore) {
  append({trace_span(1, 1, 0), trace_span(1, 2, 1), trace_span(1, 3, 1)});
  start();
  ASSERT_TRUE(run_until_settled());
  stop();
  // Of three spans uploaded up to record 1 this spool holds only two.
  TraceMarks(spool, "workspace").put(trace_of(1), {4, 1, true});
  auto there = workspace.spans_of(trace_of(1));
  there.push_back(there.back());
  there.back().span_id = span_id(9);
  workspace.files[mlflow::trace_name_of(trace_of(1))] = mlflow::spans_file(there).body;
  append({trace_span(1, 4, 1)});
  start();
  track->drain();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(5));
  const auto mark = TraceMarks(spool, "workspace").load(trace_of(1));
  EXPECT_EQ(**mark, (TraceMark{5, 2, true}));
}

TEST_F(DatabricksTrack, WhatTheProcessBeforeUploadedIsSettledAndNotSentAgain) {
  append({trace_span(1, 1, 0)});
  TraceMarks(spool, "workspace").put(trace_of(1), {1, 1, true});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls, SizeIs(0));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST_F(DatabricksTrack, ARestartSendsOnlyWhatWasNotSettled) {
  append({trace_span(1, 1, 0), trace_span(2, 1, 0)});
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.body.find(mlflow::trace_name_of(trace_of(2))) != std::string::npos) return Verdict{};
    return std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until([this] { return settled()[Outcome::delivered] == 1; }));
  stop();
  workspace.intervene = nullptr;
  workspace.calls.clear();
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls_of(kStart), SizeIs(1));
  EXPECT_THAT(workspace.calls_of(kStart)[0].body, HasSubstr(mlflow::trace_name_of(trace_of(2))));
}

TEST_F(DatabricksTrack, ARefusedTraceIsSetAsideWholeAndItsNeighboursArrive) {
  append({trace_span(1, 1, 0), trace_span(2, 2, 1), trace_span(3, 1, 0)});
  append({trace_span(2, 1, 0)});
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.body.find(mlflow::trace_name_of(trace_of(2))) != std::string::npos)
      return refusal(Action::split, 400);
    return std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(settled()[Outcome::delivered], 2U);
  EXPECT_EQ(settled()[Outcome::dead], 2U);
  const auto& dead = spool.cursor_of("workspace").dead;
  ASSERT_THAT(dead, SizeIs(2)) << "one for each record";
  for (std::size_t n = 0; n < 2; ++n) {
    EXPECT_EQ(dead[n].seq, n + 1);
    EXPECT_EQ(dead[n].trace_id, trace_of(2));
    EXPECT_EQ(dead[n].spans, 1U);
    EXPECT_EQ(dead[n].status, 400);
    EXPECT_THAT(decode_traces_request(dead[n].payload)->spans, SizeIs(1));
  }
}

TEST_F(DatabricksTrack, AnExpiredUrlIsFetchedAnew) {
  int expired = 2;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.surface == Surface::storage && expired-- > 0) return refusal(Action::new_url, 403);
    return std::nullopt;
  };
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of("credentials-for-data-upload"), SizeIs(3));
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(1));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST_F(DatabricksTrack, AFileTooLargeForTheStorageIsADeadLetter) {
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    return call.surface == Surface::storage ? std::optional(refusal(Action::halve, 413)) : std::nullopt;
  };
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(spool.cursor_of("workspace").dead, SizeIs(1));
  EXPECT_THAT(spool.cursor_of("workspace").dead[0].reason, HasSubstr("does not take a span file of"));
}

TEST_F(DatabricksTrack, ATraceInfoThatIsTooLargeIsSetAsideWithItsTraceAlone) {
  const std::string too_large = mlflow::trace_name_of(trace_of(2));
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    const bool is_it = call.what == "POST https://workspace/api/3.0/mlflow/traces" &&
                       call.body.find(too_large) != std::string::npos;
    return is_it ? std::optional(refusal(Action::halve, 413)) : std::nullopt;
  };
  for (std::uint32_t n = 1; n <= 3; ++n) append({trace_span(n, 1, 0), trace_span(n, 2, 1)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.files, SizeIs(2));
  EXPECT_EQ(settled()[Outcome::delivered], 4U);
  const auto& dead = spool.cursor_of("workspace").dead;
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_EQ(dead[0].trace_id, trace_of(2));
  EXPECT_EQ(dead[0].spans, 2U);
  EXPECT_EQ(dead[0].status, 413);
  EXPECT_THAT(decode_traces_request(dead[0].payload)->spans, SizeIs(2));
}

TEST_F(DatabricksTrack, AFileThatCannotBeReadIsNotReplaced) {
  const std::string name = mlflow::trace_name_of(trace_of(1));
  mlflow::TraceInfo info;
  info.trace_id = name;
  workspace.infos[name] = mlflow::start_trace_body(info, "77", mlflow::WithTags::yes);
  workspace.files[name] = "something else";
  append({trace_span(1, 2, 1).fixed32(otlp::span::kFlags, 0x300)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(workspace.files[name], "something else");
  EXPECT_EQ(settled()[Outcome::dead], 1U);
}

TEST_F(DatabricksTrack, AnExperimentThatIsGoneIsLookedUpAgain) {
  int gone = 1;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what == kStart && gone-- > 0) return refusal(Action::not_found, 404);
    return std::nullopt;
  };
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(experiments.forgotten, 1);
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST_F(DatabricksTrack, ATraceFollowsTheRouteOfItsRoot) {
  append({trace_span(1, 2, 1)}, Route{"5", {}, {}});
  append({trace_span(1, 1, 0)}, Route{"6", {}, {}});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of(kStart).at(0).body, HasSubstr("\"experiment_id\":\"6\""));
}

TEST_F(DatabricksTrack, ARouteThatLeadsNowhereIsADeadLetter) {
  experiments.impossible = refusal(Action::not_found, 404);
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(settled()[Outcome::dead], 1U);
  EXPECT_THAT(workspace.calls, SizeIs(0));
}

TEST_F(DatabricksTrack, ALongWaitForARootEndsWhenDraining) {
  append({trace_span(1, 2, 1)});
  start();
  ASSERT_FALSE(track->settled(1, trace_of(1)));
  track->drain();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.infos.begin()->second, HasSubstr("\"state\":\"IN_PROGRESS\""));
}

TEST_F(DatabricksTrack, HolesInTheLogCountAsLost) {
  append({trace_span(1, 1, 0)});
  append({trace_span(2, 1, 0)});
  spool.lost.insert(1);
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(settled()[Outcome::lost], 1U);
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST(TraceMarksInTheSpool, AreBoundedTheOldestGoesFirst) {
  MemorySpool spool;
  TraceMarks marks(spool, "w", 3);
  for (std::uint32_t n = 1; n <= 5; ++n) marks.put(trace_of(n), {n, n, true});
  marks.put(trace_of(5), {6, 9, true});
  EXPECT_EQ(*marks.load(trace_of(2)), std::nullopt);
  EXPECT_EQ(**marks.load(trace_of(3)), (TraceMark{3, 3, true}));
  // The next process goes on where this one was.
  TraceMarks(spool, "w", 3).put(trace_of(6), {1, 10, false});
  EXPECT_EQ(*marks.load(trace_of(3)), std::nullopt);
  EXPECT_EQ(**marks.load(trace_of(5)), (TraceMark{6, 9, true}));
}

TEST_F(DatabricksTrack, AForbiddenExperimentIsSetAsideAndTheOthersArrive) {
  const Route closed{"5", {}, {}};
  bool open = false;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what == kStart && !open && call.body.find("\"experiment_id\":\"5\"") != std::string::npos)
      return refusal(Action::held, 403);
    return std::nullopt;
  };
  for (std::uint32_t n = 1; n <= 6; ++n) append({trace_span(n, 1, 0)}, n % 2 == 0 ? Route{} : closed);
  start();
  auto& cursor = spool.cursor_of("workspace");
  ASSERT_TRUE(run_until([&] { return cursor.position() == 7 && cursor.parked_parts.size() == 3; }));
  EXPECT_EQ(settled()[Outcome::delivered], 3U);
  EXPECT_FALSE(track->settled(1, trace_of(1)));
  append({trace_span(1, 2, 1)}, closed);  // a late span of a trace that waits
  append({trace_span(7, 1, 0)});
  ASSERT_TRUE(run_until([&] { return cursor.position() == 9; }));
  spool.forget_payloads();
  open = true;
  ASSERT_TRUE(run_until([&] { return cursor.parked_parts.empty(); }));
  EXPECT_EQ(settled()[Outcome::delivered], 8U);
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(2));
  EXPECT_EQ(cursor.accounting().pending, 0U);
  EXPECT_FALSE(routes->any());
}

TEST_F(DatabricksTrack, ADeadLetterThatIsTriedAgainIsAddedToWhatIsThere) {
  bool refuses = true;
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (refuses && call.what == kStart) return refusal(Action::split, 400);
    return std::nullopt;
  };
  append({trace_span(1, 2, 1), trace_span(1, 3, 1)});
  ASSERT_TRUE(run_until_settled());
  auto& cursor = spool.cursor_of("workspace");
  ASSERT_THAT(cursor.dead, SizeIs(1));
  refuses = false;
  spool.forget_payloads();
  append({trace_span(1, 4, 1)});
  track->drain();  // its root is not in the log any more
  ASSERT_TRUE(run_until_settled());
  spool.forget_payloads();
  cursor.take_back(0);
  track->records_arrived();
  ASSERT_TRUE(run_until([&] { return cursor.parked_parts.empty(); }));
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(4)) << "never less than was there";
  EXPECT_EQ(settled()[Outcome::dead], 0U);
  EXPECT_EQ(settled()[Outcome::delivered], 4U);
}

TEST_F(DatabricksTrack, ATraceThatStaysOpenIsParkedBeforeItHoldsTheLog) {
  const auto append_others = [this](int count) {
    for (int n = 0; n < count; ++n) {
      spool::Entry entry;
      entry.header.kind = RecordKind::trace_info;
      entry.payload = std::make_shared<const std::string>("{}");
      std::vector<spool::Entry> entries;
      entries.push_back(std::move(entry));
      spool.append(std::move(entries), {});
    }
    if (track) track->records_arrived();
  };
  append({trace_span(1, 2, 1)});  // its root does not come yet
  append_others(4000);
  start();
  auto& cursor = spool.cursor_of("workspace");
  ASSERT_TRUE(run_until([&] { return cursor.settled(4001); }));
  EXPECT_EQ(cursor.position(), 1U);
  append_others(200);
  ASSERT_TRUE(run_until([&] { return cursor.position() > 4000; }));
  EXPECT_THAT(cursor.parked_parts, SizeIs(1));
  append({trace_span(1, 1, 0)});
  ASSERT_TRUE(run_until([&] { return cursor.parked_parts.empty() && track->cursor().lag_records() == 0; }));
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(2));
  EXPECT_EQ(cursor.accounting().pending, 0U);
}

}  // namespace
}  // namespace spanferry::uploader
