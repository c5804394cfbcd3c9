#include "uploader/assembler.hpp"

#include <gtest/gtest.h>

namespace spanferry::uploader {
namespace {

using namespace std::chrono_literals;
using Time = Assembler::Time;

const Time kStart = Time{} + 1h;

TraceId trace(std::uint8_t n) {
  TraceId id;
  id.bytes[15] = n;
  return id;
}

struct Fixture : ::testing::Test {
  Assembler assembler{AssembleSettings{2000ms, 10min}, 3};
  std::optional<TraceId> take(Time now) {
    const auto due = assembler.take(now);
    return due ? std::optional(due->trace) : std::nullopt;
  }
};
using AssemblerOfTraces = Fixture;

TEST_F(AssemblerOfTraces, ATraceGoesWhenItsTopHasEndedAndItIsQuiet) {
  assembler.note(trace(1), 1, true, kStart);
  EXPECT_EQ(take(kStart + 1999ms), std::nullopt);
  EXPECT_EQ(take(kStart + 2s), trace(1));
}

TEST_F(AssemblerOfTraces, NewsMakeItWaitAgain) {
  assembler.note(trace(1), 1, true, kStart);
  assembler.note(trace(1), 2, false, kStart + 1s);
  EXPECT_EQ(assembler.next_due(), kStart + 3s);
  EXPECT_EQ(take(kStart + 2s), std::nullopt);
  EXPECT_EQ(take(kStart + 3s), trace(1));
}

TEST_F(AssemblerOfTraces, ATraceWithoutARootGoesWhenItHasBeenOpenForLong) {
  assembler.note(trace(1), 1, false, kStart);
  assembler.note(trace(1), 2, false, kStart + 9min);
  EXPECT_EQ(take(kStart + 9min + 59s), std::nullopt);
  EXPECT_EQ(take(kStart + 10min), trace(1));
}

TEST_F(AssemblerOfTraces, ATraceThatIsNeverQuietGoesAllTheSame) {
  for (int i = 0; i <= 600; ++i) assembler.note(trace(1), 1 + static_cast<Seq>(i), true, kStart + i * 1s);
  EXPECT_EQ(take(kStart + 10min), trace(1));
}

TEST_F(AssemblerOfTraces, TracesGoInTheOrderTheyBecameDueEachOnce) {
  assembler.note(trace(2), 1, true, kStart + 1s);
  assembler.note(trace(1), 2, true, kStart);
  EXPECT_EQ(take(kStart + 1h), trace(1));
  EXPECT_EQ(take(kStart + 1h), trace(2));
  EXPECT_EQ(take(kStart + 1h), std::nullopt);
}

TEST_F(AssemblerOfTraces, WhatTheIndexKnowsBeyondWhatWasSeenCanMakeItWait) {
  assembler.note(trace(1), 1, true, kStart);
  ASSERT_EQ(take(kStart + 2s), trace(1));
  EXPECT_FALSE(assembler.still_due(trace(1), 7, true, kStart + 1s, kStart + 2s));
  EXPECT_EQ(take(kStart + 2s), std::nullopt);
  ASSERT_EQ(take(kStart + 3s), trace(1));
  EXPECT_TRUE(assembler.still_due(trace(1), 7, true, kStart + 1s, kStart + 3s));
  assembler.done(trace(1), 7);
  EXPECT_EQ(assembler.size(), 0U);
}

TEST_F(AssemblerOfTraces, NewsWhileItIsUnderWayStartItAnew) {
  assembler.note(trace(1), 1, true, kStart);
  ASSERT_EQ(take(kStart + 2s), trace(1));
  assembler.note(trace(1), 9, true, kStart + 2s);
  EXPECT_EQ(take(kStart + 1h), std::nullopt);
  assembler.done(trace(1), 1);
  EXPECT_EQ(take(kStart + 3s), std::nullopt);
  const auto due = assembler.take(kStart + 4s);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->first, 9U);
}

TEST_F(AssemblerOfTraces, NewsThatWereDeliveredWithItDoNotStartItAnew) {
  assembler.note(trace(1), 1, true, kStart);
  ASSERT_EQ(take(kStart + 2s), trace(1));
  assembler.note(trace(1), 9, true, kStart + 2s);
  assembler.done(trace(1), 9);
  EXPECT_EQ(assembler.next_due(), std::nullopt);
}

TEST_F(AssemblerOfTraces, WhatIsPutBackWaitsUntilThen) {
  assembler.note(trace(1), 1, true, kStart);
  ASSERT_EQ(take(kStart + 2s), trace(1));
  assembler.put_back(trace(1), kStart + 5s);
  EXPECT_EQ(assembler.next_due(), kStart + 5s);
  EXPECT_EQ(take(kStart + 5s), trace(1));
}

TEST_F(AssemblerOfTraces, DrainingMakesAllDue) {
  assembler.note(trace(1), 1, false, kStart);
  assembler.drain();
  EXPECT_EQ(take(kStart), trace(1));
  assembler.note(trace(2), 2, false, kStart);
  EXPECT_EQ(take(kStart), trace(2));
}

TEST(AssemblerOfRoutes, TheRoutesTakeTurnsAmongWhatIsDue) {
  const Route busy{"1", {}, {}}, quiet{"2", {}, {}}, named{{}, "1", {}};
  Assembler assembler(AssembleSettings{2000ms, 10min}, 100);
  for (std::uint8_t n = 1; n <= 50; ++n) assembler.note(trace(n), n, true, kStart, busy);
  ASSERT_EQ(assembler.take(kStart + 3s)->trace, trace(1));
  assembler.note(trace(60), 60, true, kStart + 1s, quiet);
  assembler.note(trace(61), 61, true, kStart + 1s, quiet);
  assembler.note(trace(70), 70, true, kStart + 1s, named);
  std::vector<TraceId> order;
  for (int i = 0; i < 6; ++i) order.push_back(assembler.take(kStart + 3s)->trace);
  EXPECT_EQ(order, (std::vector{trace(2), trace(60), trace(70), trace(3), trace(61), trace(4)}));
  std::size_t left = 0;
  while (assembler.take(kStart + 3s)) ++left;
  EXPECT_EQ(left, 46U);
}

TEST(AssemblerOfRoutes, NewsWhileItWaitsForItsTurnMakeATraceWaitAgain) {
  const Route busy{"1", {}, {}}, quiet{"2", {}, {}};
  Assembler assembler(AssembleSettings{2000ms, 10min}, 100);
  assembler.note(trace(1), 1, true, kStart, busy);
  assembler.note(trace(2), 2, true, kStart + 1ms, quiet);
  ASSERT_EQ(assembler.take(kStart + 3s)->trace, trace(1));
  EXPECT_EQ(assembler.next_due(), kStart + 2001ms);
  assembler.note(trace(2), 3, true, kStart + 3s, quiet);
  EXPECT_FALSE(assembler.take(kStart + 3s));
  EXPECT_EQ(assembler.next_due(), kStart + 5s);
  assembler.done(trace(1), 1);
  ASSERT_EQ(assembler.take(kStart + 5s)->trace, trace(2));
  assembler.done(trace(2), 3);
  EXPECT_EQ(assembler.size(), 0U);
  EXPECT_FALSE(assembler.take(kStart + 5s));
}

TEST_F(AssemblerOfTraces, WhenFullTheOldestGoesEarly) {
  assembler.note(trace(1), 5, false, kStart);
  assembler.note(trace(2), 3, false, kStart + 1s);
  EXPECT_FALSE(assembler.full());
  assembler.note(trace(3), 9, false, kStart);
  EXPECT_TRUE(assembler.full());
  assembler.hurry_oldest();
  EXPECT_EQ(take(kStart), trace(2));
  EXPECT_EQ(take(kStart), std::nullopt);
}

}  // namespace
}  // namespace spanferry::uploader
