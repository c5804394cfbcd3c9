// Traces whose span file is too large for the storage.
#include <gmock/gmock.h>

#include "tests/unit/uploader/trace_fixture.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;  // NOLINT: builders
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct FileFittingTest : TraceFixture {
  FileFittingTest() {
    workspace.intervene = [this](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
      const bool is_too_large =
          call.surface == Surface::storage && call.what.starts_with("PUT") && call.body.size() > limit;
      return is_too_large ? std::optional(refusal(Action::halve, 413)) : std::nullopt;
    };
  }
  static Message large(std::uint8_t id, std::size_t bytes) {
    Message one = trace_span(1, id, 1, "large");
    one.message(otlp::span::kAttributes, attribute("text", text(std::string(bytes, 'x'))));
    return one;
  }
  std::vector<spool::DeadLetter> dead() { return spool.cursor_of("workspace").dead; }

  std::size_t limit = 20'000;
};

TEST_F(FileFittingTest, TheLargestSpanIsSetAsideAndTheOthersArrive) {
  append({trace_span(1, 1, 0), large(2, 50'000), trace_span(1, 3, 1)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(2));
  ASSERT_THAT(dead(), SizeIs(1));
  EXPECT_EQ(dead()[0].span_id, span_id(2));
  EXPECT_EQ(dead()[0].spans, 1U);
  EXPECT_THAT(dead()[0].reason, HasSubstr("is too large for the far side"));
  EXPECT_GT(dead()[0].payload.size(), 50'000U) << "it is kept whole";
  EXPECT_EQ(settled()[Outcome::delivered], 2U);
  EXPECT_EQ(settled()[Outcome::dead], 1U);
  EXPECT_EQ(workspace.health().too_large_spans, 1U);
}

TEST_F(FileFittingTest, ItsLargestAttributesAreCutWhereThatIsAllowed) {
  settings.when_too_large = WhenTooLarge::truncate;
  append({trace_span(1, 1, 0), large(2, 50'000), trace_span(1, 3, 1)});
  start();
  ASSERT_TRUE(run_until_settled());
  const auto spans = workspace.spans_of(trace_of(1));
  ASSERT_THAT(spans, SizeIs(3));
  EXPECT_THAT(*spans[1].find("text"), HasSubstr("xxx… [cut by spanferry: was 50000 bytes]"));
  EXPECT_THAT(dead(), SizeIs(0));
  EXPECT_EQ(settled()[Outcome::delivered], 3U);
  EXPECT_EQ(workspace.health().truncated_spans, 1U);
}

TEST_F(FileFittingTest, ManyThatAreTooLargeTogetherGoByHalves) {
  append({trace_span(1, 1, 0), large(2, 15'000), large(3, 14'000), large(4, 13'000), large(5, 12'000)});
  start();
  ASSERT_TRUE(run_until_settled());
  const std::size_t arrived = workspace.spans_of(trace_of(1)).size();
  EXPECT_GE(arrived, 2U);
  EXPECT_EQ(arrived + dead().size(), 5U);
  EXPECT_EQ(settled()[Outcome::dead], dead().size());
}

TEST_F(FileFittingTest, WhatWasSetAsideOnceIsNotSetAsideAgainWithLateSpans) {
  append({trace_span(1, 1, 0), large(2, 50'000)});
  start();
  ASSERT_TRUE(run_until_settled());
  append({trace_span(1, 3, 0)});
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(trace_of(1)), SizeIs(2));
  EXPECT_THAT(dead(), SizeIs(1));
  EXPECT_EQ(settled()[Outcome::dead], 1U);
  EXPECT_EQ(settled()[Outcome::delivered], 2U);
}

}  // namespace
}  // namespace spanferry::uploader
