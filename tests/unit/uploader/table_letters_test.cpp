// What a table refuses, and dead letters that are tried again.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/uploader/table_fixture.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using TableLetters = TableFixture;

TEST_F(TableLetters, OneRefusedSpanDoesNotTakeItsNeighboursAlong) {
  settings.concurrency = 8;
  for (std::uint32_t n = 1; n <= 4; ++n)
    append({trace_span(n, 1, 0), trace_span(n, 2, 1, n == 3 ? "bad" : "s"), trace_span(n, 3, 1)});
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what == kSpans && call.body.find("bad") != std::string::npos) return refusal(Action::split, 400);
    return std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, SizeIs(11));
  EXPECT_THAT(workspace.table_infos, SizeIs(4));
  EXPECT_EQ(settled()[Outcome::delivered], 11U);
  const auto& dead = cursor().dead;
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_EQ(dead[0].trace_id, trace_of(3));
  EXPECT_EQ(dead[0].span_id, span_id(2));
  EXPECT_EQ(dead[0].spans, 1U);
  EXPECT_THAT(decode_traces_request(dead[0].payload)->spans, SizeIs(1));
}

TEST_F(TableLetters, ARefusedSpanThatIsTriedAgainGoesToItsNeighbours) {
  bool refuses = true;
  append({trace_span(1, 1, 0, "bad"), trace_span(1, 2, 1), trace_span(1, 3, 1)});
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (refuses && call.what == kSpans && call.body.find("bad") != std::string::npos)
      return refusal(Action::split, 400);
    return std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, SizeIs(2));
  refuses = false;
  cursor().take_back(0);
  track->records_arrived();
  ASSERT_TRUE(run_until([&] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(workspace.rows, SizeIs(3));
  EXPECT_EQ(settled()[Outcome::delivered], 3U);
}

TEST_F(TableLetters, SpansThatThePartialSuccessRejectsAreDead) {
  append({trace_span(1, 1, 0), trace_span(1, 2, 1)});
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what != kSpans) return std::nullopt;
    // partial_success {rejected_spans: 1, error_message: "odd"}
    return answer(200, std::string("\x0a\x07\x08\x01\x12\x03odd", 9));
  };
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
  EXPECT_EQ(settled()[Outcome::dead], 1U);
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_THAT(cursor().dead[0].reason, HasSubstr("odd"));
}

TEST_F(TableLetters, ADeadLetterThatIsTriedAgainWhileItsInfoWaitsGoesToo) {
  experiments.impossible = refusal(Action::split, 400);
  experiments.table.clear();
  append({trace_span(1, 2, 1)});
  start();
  track->drain();
  ASSERT_TRUE(run_until([&] { return cursor().dead.size() == 1; }));
  experiments.impossible.reset();
  experiments.table = "main.genai.app_otel_spans";
  bool allowed = false;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what.starts_with("GET")) return refusal(Action::not_found, 404);
    const bool is_info = call.what.find(kInfo) != std::string::npos;
    return is_info && !allowed ? std::optional(refusal(Action::forbidden, 403)) : std::nullopt;
  };
  append({trace_span(1, 1, 0)});
  ASSERT_TRUE(run_until([&] { return cursor().parked_parts.size() == 1; }));
  cursor().take_back(0);
  track->records_arrived();
  allowed = true;
  ASSERT_TRUE(run_until([&] { return cursor().parked_parts.empty(); }));
  const std::set<std::pair<TraceId, SpanId>> there(workspace.rows.begin(), workspace.rows.end());
  EXPECT_THAT(there, UnorderedElementsAre(row(1, 1), row(1, 2)));
  EXPECT_EQ(settled()[Outcome::delivered], 2U);
}

TEST_F(TableLetters, ACopyOfADeadLetterIsNotTakenForWhatIsThere) {
  refuse_all();
  append({trace_span(1, 2, 1)});
  start();
  track->drain();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(1));
  accept_all();
  append({trace_span(1, 2, 1), trace_span(1, 1, 0)});
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1), row(1, 2)));
  try_again(0);
  EXPECT_THAT(workspace.rows, SizeIs(2)) << "the copy is there";
  EXPECT_EQ(settled()[Outcome::delivered], 3U);
}

TEST_F(TableLetters, OfDeadLettersWithTheSameSpanTheFirstThatIsTriedAgainGoes) {
  refuse_all();
  append({trace_span(1, 2, 1)});
  append({trace_span(1, 2, 1), trace_span(1, 3, 1)});
  start();
  track->drain();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(2));
  accept_all();
  try_again(0);
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 2)));
  try_again(0);
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 2), row(1, 3)));
  EXPECT_EQ(settled()[Outcome::delivered], 3U);
}

TEST_F(TableLetters, ARefusedSpanHasItsLetterAlsoWhenAKillComesBetween) {
  append({trace_span(1, 1, 0), trace_span(1, 2, 1, "bad"), trace_span(1, 3, 1)});
  bool stops = true;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what == kSpans && call.body.find("bad") != std::string::npos) return refusal(Action::split, 400);
    return stops && call.what.find(kInfo) != std::string::npos ? std::optional(Verdict{}) : std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until([this] { return !workspace.calls_of(kInfo).empty(); }));
  stop();
  EXPECT_THAT(cursor().dead, SizeIs(0));
  stops = false;
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1), row(1, 3)));
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_EQ(cursor().dead[0].span_id, span_id(2));
  EXPECT_EQ(settled()[Outcome::delivered], 2U);
}

TEST_F(TableLetters, ARefusedSpanDoesNotKeepAForbiddenInfoFromWaiting) {
  bool allowed = false;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what == kSpans && call.body.find("bad") != std::string::npos) return refusal(Action::split, 400);
    const bool is_info = call.what.find(kInfo) != std::string::npos;
    return is_info && !allowed ? std::optional(refusal(Action::forbidden, 403)) : std::nullopt;
  };
  append({trace_span(1, 1, 0), trace_span(1, 2, 1, "bad")});
  start();
  ASSERT_TRUE(run_until([&] { return cursor().parked_parts.size() == 1; }));
  allowed = true;
  ASSERT_TRUE(run_until([&] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(workspace.rows, UnorderedElementsAre(row(1, 1)));
  EXPECT_THAT(workspace.table_infos, SizeIs(1));
  EXPECT_THAT(cursor().dead, SizeIs(1));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
  EXPECT_EQ(settled()[Outcome::dead], 1U);
}

TEST_F(TableLetters, ATraceOfManyRecordsIsNotSentAgainWhileItsInfoWaits) {
  bool allowed = false;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    const bool is_info = call.what.find(kInfo) != std::string::npos;
    return is_info && !allowed ? std::optional(refusal(Action::forbidden, 403)) : std::nullopt;
  };
  append({trace_span(1, 1, 0)});
  for (int id = 2; id <= 250; ++id) append({trace_span(1, static_cast<std::uint8_t>(id), 1)});
  start();
  ASSERT_TRUE(run_until([&] { return workspace.calls_of(kInfo).size() >= 3; })) << "it is probed";
  allowed = true;
  ASSERT_TRUE(run_until([&] { return cursor().parked_parts.empty() && cursor().lag_records() == 0; }));
  EXPECT_THAT(workspace.rows, SizeIs(250));
  EXPECT_EQ(settled()[Outcome::delivered], 250U);
}

TEST_F(TableLetters, ALetterWaitsUntilTheSpoolCanBeRead) {
  refuse_all();
  append({trace_span(1, 1, 0)});
  spool.fails_after_reads = 1;  // it is gathered, and then cannot be had
  start();
  ASSERT_TRUE(run_until([this] { return spool.failed_reads > 0; }));
  EXPECT_EQ(cursor().position(), 1U);
  EXPECT_THAT(cursor().dead, SizeIs(0));
  spool.fails_after_reads.reset();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_THAT(decode_traces_request(cursor().dead[0].payload)->spans, SizeIs(1));
}

}  // namespace
}  // namespace spanferry::uploader
