#include "uploader/pace.hpp"

#include <deque>

#include <gtest/gtest.h>

#include "tests/unit/net/scripted_server.hpp"

namespace spanferry::uploader {
namespace {

using spanferry::testing::run_until;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
namespace asio = boost::asio;

class PaceTest : public ::testing::Test {
 protected:
  void TearDown() override {
    turns.clear();
    pace.stop();
    io.restart();
    io.run_for(std::chrono::seconds(5));
  }
  void ask(Calls calls) {
    asio::co_spawn(io, pace.turn(calls), [this](const std::exception_ptr&, std::optional<Pace::Turn> turn) {
      if (!turn) ++left_empty_handed;
      if (turn) turns.push_back(*std::move(turn));
    });
  }
  // The first of those that are under way.
  void end(Pace::End how, std::optional<milliseconds> asked = std::nullopt) {
    pace.ended(turns.front(), how, asked);
    turns.pop_front();
  }
  // The last one: it was not alone.
  void end_last(Pace::End how, std::optional<milliseconds> asked = std::nullopt) {
    pace.ended(turns.back(), how, asked);
    turns.pop_back();
  }
  bool wait_for(std::size_t under_way) {
    return run_until(io, [&] { return turns.size() == under_way; });
  }
  // Seven a second; the next one may go at once.
  void learn_a_rate_of_creations() {
    for (int i = 0; i < 8; ++i) ask(Calls::create);
    ASSERT_TRUE(wait_for(8));
    for (int i = 0; i < 7; ++i) end(Pace::End::taken);
    end(Pace::End::too_fast, milliseconds(1));
    ask(Calls::create);
    ASSERT_TRUE(wait_for(1));
    end(Pace::End::taken);
    ASSERT_FALSE(pace.is_held());
    ASSERT_GT(pace.rate(Calls::create), 6);
  }
  // Whatever could go has gone.
  void settle() {
    io.restart();
    io.poll();
  }

  asio::io_context io;
  Pace pace{io, 64, {milliseconds(1), milliseconds(1)}};
  std::deque<Pace::Turn> turns;
  int left_empty_handed = 0;
};

TEST_F(PaceTest, LetsNoMoreGoThanTheLimitAndMoreOnceTheySucceed) {
  for (int i = 0; i < 20; ++i) ask(Calls::create);
  settle();
  EXPECT_EQ(turns.size(), 8U);
  // The eight were not sent all together: those that were alone for a while tell nothing.
  for (int i = 0; i < 8; ++i) end(Pace::End::taken);
  EXPECT_GT(pace.limit(), 8U);
  ASSERT_TRUE(wait_for(12));
}

TEST_F(PaceTest, HalvesTheLimitOnceForWhatIsOverloadedTogether) {
  for (int i = 0; i < 8; ++i) ask(i % 2 == 0 ? Calls::create : Calls::other);
  ASSERT_TRUE(wait_for(8));
  for (int i = 0; i < 8; ++i) end(Pace::End::too_many);
  EXPECT_EQ(pace.limit(), 4U);
  for (int i = 0; i < 8; ++i) ask(Calls::other);
  settle();
  EXPECT_EQ(turns.size(), 4U);
  EXPECT_FALSE(pace.is_held());
}

TEST_F(PaceTest, LeavesTheLimitAloneWhereNothingIsLearnt) {
  for (int i = 0; i < 8; ++i) ask(Calls::other);
  ASSERT_TRUE(wait_for(8));
  for (int i = 0; i < 8; ++i) end(Pace::End::not_known);
  EXPECT_EQ(pace.limit(), 8U);
}

TEST_F(PaceTest, HoldsOnlyCallsOfTheKindThatIsRefusedAndThenSendsOneAhead) {
  ask(Calls::create);
  ask(Calls::create);
  ASSERT_TRUE(wait_for(2));
  const auto refused_at = steady_clock::now();
  end(Pace::End::too_fast, milliseconds(100));
  end(Pace::End::too_fast, milliseconds(100));
  EXPECT_TRUE(pace.is_held());
  for (int i = 0; i < 3; ++i) ask(Calls::create);
  ask(Calls::other);
  ask(Calls::spans);
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(turns[0].calls, Calls::other);
  EXPECT_EQ(turns[1].calls, Calls::spans);
  end(Pace::End::taken);
  end(Pace::End::taken);
  ASSERT_TRUE(wait_for(1));
  EXPECT_GE(steady_clock::now() - refused_at, milliseconds(100));
  settle();
  EXPECT_EQ(turns.size(), 1U);  // the probe
  end(Pace::End::taken);
  EXPECT_FALSE(pace.is_held());
  ASSERT_TRUE(wait_for(2));
}

TEST_F(PaceTest, LetsWhatEndsAtAStoragePassWithoutWaiting) {
  for (int i = 0; i < 8; ++i) ask(Calls::create);
  ASSERT_TRUE(wait_for(8));
  ask(Calls::storage);
  settle();
  EXPECT_EQ(turns.size(), 9U);
}

TEST_F(PaceTest, SpreadsCallsEvenlyOnceARateIsLearnt) {
  for (int i = 0; i < 8; ++i) ask(Calls::create);
  ASSERT_TRUE(wait_for(8));
  for (int i = 0; i < 7; ++i) end(Pace::End::taken);
  end(Pace::End::too_fast, milliseconds(1));
  EXPECT_NEAR(pace.rate(Calls::create), 0.97 * 7, 0.01);
  EXPECT_EQ(pace.rate(Calls::other), 0);
  ask(Calls::create);
  ASSERT_TRUE(wait_for(1));
  const auto first = steady_clock::now();
  end(Pace::End::taken);
  ask(Calls::create);
  ask(Calls::create);
  ASSERT_TRUE(wait_for(2));
  // Two at 7 a second, less what may be made up for.
  EXPECT_GE(steady_clock::now() - first, milliseconds(2 * 140 - 60));
}

TEST_F(PaceTest, SaysWhenThereIsRoomAgain) {
  int told = 0;
  pace.listen([&] { ++told; });
  EXPECT_TRUE(pace.has_room());
  for (int i = 0; i < 12; ++i) ask(Calls::create);
  settle();
  EXPECT_EQ(told, 0);
  EXPECT_FALSE(pace.has_room());  // four wait, of eight that may go
  end(Pace::End::not_known);
  settle();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(pace.has_room());
  for (int i = 0; i < 9; ++i) ask(Calls::spans);
  settle();
  EXPECT_TRUE(pace.has_room());
}

TEST_F(PaceTest, BeginsWithNoMoreThanTheMostAtOneTime) {
  Pace narrow(io, 3, {milliseconds(1), milliseconds(1)});
  EXPECT_EQ(narrow.limit(), 3U);
  for (int i = 0; i < 5; ++i)
    asio::co_spawn(io, narrow.turn(Calls::other),
                   [this](const std::exception_ptr&, std::optional<Pace::Turn> turn) {
                     if (turn) turns.push_back(*std::move(turn));
                   });
  settle();
  EXPECT_EQ(turns.size(), 3U);
  narrow.stop();
  settle();
  turns.clear();
}

TEST_F(PaceTest, WhoWaitsForASlotWhileItsKindIsRefusedGivesItToAnother) {
  for (int i = 0; i < 9; ++i) ask(Calls::create);
  settle();
  ASSERT_EQ(turns.size(), 8U);
  end_last(Pace::End::too_fast, milliseconds(500));
  ASSERT_EQ(pace.limit(), 4U);
  while (turns.size() > 3) end(Pace::End::not_known);
  settle();
  EXPECT_EQ(turns.size(), 3U) << "the ninth was given a slot, and may not go";
  ask(Calls::other);
  settle();
  ASSERT_EQ(turns.size(), 4U);
  EXPECT_EQ(turns.back().calls, Calls::other);
  end_last(Pace::End::not_known);
  ASSERT_TRUE(wait_for(4)) << "it goes once its kind is probed";
  EXPECT_EQ(turns.back().calls, Calls::create);
}

TEST_F(PaceTest, WhoWaitsForItsTimeWhileItsKindIsRefusedWaitsForTheRefusalToo) {
  learn_a_rate_of_creations();
  ask(Calls::create);
  ASSERT_TRUE(wait_for(1));
  ask(Calls::create);  // its time is a seventh of a second away
  settle();
  const auto refused_at = steady_clock::now();
  end(Pace::End::too_fast, milliseconds(400));
  ASSERT_TRUE(wait_for(1));
  EXPECT_GE(steady_clock::now() - refused_at, milliseconds(400));
}

TEST_F(PaceTest, AProbeThatIsRefusedHoldsItsKindForAnotherWhile) {
  ask(Calls::create);
  ASSERT_TRUE(wait_for(1));
  end(Pace::End::too_fast, milliseconds(20));
  ask(Calls::create);
  ask(Calls::create);
  ASSERT_TRUE(wait_for(1));
  const auto refused_at = steady_clock::now();
  end(Pace::End::too_fast, milliseconds(60));
  EXPECT_TRUE(pace.is_held());
  ASSERT_TRUE(wait_for(1));
  EXPECT_GE(steady_clock::now() - refused_at, milliseconds(60));
  end(Pace::End::taken);
  EXPECT_FALSE(pace.is_held());
}

TEST_F(PaceTest, AProbeThatTellsNothingOfTheRateIsFollowedByAnother) {
  for (const auto how : {Pace::End::not_known, Pace::End::too_many}) {
    ask(Calls::create);
    ASSERT_TRUE(wait_for(1));
    end(Pace::End::too_fast, milliseconds(10));
    ask(Calls::create);
    ask(Calls::create);
    ASSERT_TRUE(wait_for(1));
    end(how);
    EXPECT_TRUE(pace.is_held());
    settle();
    ASSERT_EQ(turns.size(), 1U) << "the next one probes at once";
    end(Pace::End::taken);
    EXPECT_FALSE(pace.is_held());
  }
}

TEST_F(PaceTest, ARefusalOfAStorageHoldsNoCallsAndCountsForHowManyMayGoAtOneTime) {
  ask(Calls::storage);
  ask(Calls::storage);
  ASSERT_TRUE(wait_for(2));
  end(Pace::End::too_fast, milliseconds(60'000));
  end(Pace::End::too_fast, milliseconds(60'000));
  EXPECT_FALSE(pace.is_held());
  EXPECT_EQ(pace.limit(), 4U);
  EXPECT_EQ(pace.rate(Calls::storage), 0);
  ask(Calls::storage);
  settle();
  EXPECT_EQ(turns.size(), 1U);
}

TEST_F(PaceTest, AStopEndsEveryWait) {
  learn_a_rate_of_creations();
  ask(Calls::create);
  ASSERT_TRUE(wait_for(1));
  end(Pace::End::taken);
  ask(Calls::spans);
  ASSERT_TRUE(wait_for(1));
  end(Pace::End::too_fast, milliseconds(60'000));
  ask(Calls::create);                                                 // waits for its time,
  ask(Calls::spans);                                                  // at the gate,
  for (std::size_t i = 0; i <= pace.limit(); ++i) ask(Calls::other);  // and the last one for a slot
  settle();
  ASSERT_EQ(turns.size(), pace.limit());
  ASSERT_EQ(left_empty_handed, 0);
  pace.stop();
  settle();
  EXPECT_EQ(left_empty_handed, 3);
  ask(Calls::storage);
  ask(Calls::other);
  settle();
  EXPECT_EQ(left_empty_handed, 5);
}

TEST_F(PaceTest, WithOneAtATimeThereIsRoomWhileNobodyWaits) {
  for (int i = 0; i < 3; ++i) {
    ask(Calls::other);
    ask(Calls::other);
    settle();
    ASSERT_EQ(turns.size(), 2U);
    end_last(Pace::End::too_many);
    end(Pace::End::not_known);
  }
  ASSERT_EQ(pace.limit(), 1U);
  EXPECT_TRUE(pace.has_room());
  ask(Calls::other);
  ask(Calls::other);
  settle();
  ASSERT_EQ(turns.size(), 1U);
  EXPECT_FALSE(pace.has_room());
}

TEST_F(PaceTest, TellsTheKindsOfCallsApart) {
  const auto post = [](std::string url) {
    net::HttpRequest request;
    request.url = "https://host" + url;
    return request;
  };
  const auto kind = [&](Surface surface, const std::string& url) { return calls_of(surface, post(url)); };
  using enum Surface;
  EXPECT_EQ(kind(databricks_api, "/api/3.0/mlflow/traces"), Calls::create);
  EXPECT_EQ(kind(databricks_api, "/api/4.0/mlflow/traces/main.genai.app/0af7/info"), Calls::create);
  EXPECT_EQ(kind(databricks_api, "/api/2.0/otel/v1/traces"), Calls::spans);
  EXPECT_EQ(kind(databricks_api, "/api/3.0/mlflow/traces/search"), Calls::other);
  EXPECT_EQ(kind(mlflow_api, "/api/3.0/mlflow/traces"), Calls::create);
  EXPECT_EQ(kind(mlflow_otlp, "/v1/traces"), Calls::spans);
  EXPECT_EQ(kind(otlp, "/v1/traces"), Calls::spans);
  EXPECT_EQ(kind(storage, "/api/3.0/mlflow/traces"), Calls::storage);
  net::HttpRequest get = post("/api/4.0/mlflow/traces/main.genai.app/0af7/info");
  get.method = "GET";
  EXPECT_EQ(calls_of(databricks_api, get), Calls::other);
}

}  // namespace
}  // namespace spanferry::uploader
