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
      if (turn) turns.push_back(*std::move(turn));
    });
  }
  // The first of those that are under way.
  void end(Pace::End how, std::optional<milliseconds> asked = std::nullopt) {
    pace.ended(turns.front(), how, asked);
    turns.pop_front();
  }
  bool wait_for(std::size_t under_way) {
    return run_until(io, [&] { return turns.size() == under_way; });
  }
  // Whatever could go has gone.
  void settle() {
    io.restart();
    io.poll();
  }

  asio::io_context io;
  Pace pace{io, 64, {milliseconds(1), milliseconds(1)}};
  std::deque<Pace::Turn> turns;
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
