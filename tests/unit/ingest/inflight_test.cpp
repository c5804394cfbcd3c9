#include "ingest/inflight.hpp"

#include <list>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

namespace spanferry::test {
namespace {

using ingest::Reservation;
using ingest::Whence;

// Reservations that are asked for one after the other; time does not pass.
class InflightTest : public testing::Test {
 protected:
  // The answer, as soon as it is there.
  std::optional<Reservation>& take(Whence whence, std::uint64_t bytes) {
    auto& answer = answers_.emplace_back();
    boost::asio::co_spawn(io_, ask(whence, bytes, answer), boost::asio::detached);
    run();
    return answer;
  }
  void give_back(std::optional<Reservation>& held) {
    held.reset();
    run();
  }
  static bool holds(const std::optional<Reservation>& answer) { return answer && answer->holds(); }

 private:
  void run() {
    io_.restart();
    io_.poll();
  }
  ingest::Task<void> ask(Whence whence, std::uint64_t bytes, std::optional<Reservation>& answer) {
    answer = co_await inflight.take(whence, bytes);
  }

  std::atomic<std::uint64_t> used_{0};
  boost::asio::io_context io_;

 protected:
  ingest::Inflight inflight{io_, 400, used_};

 private:
  std::list<std::optional<Reservation>> answers_;
};

TEST_F(InflightTest, AQuarterIsForThisHostAlone) {
  EXPECT_TRUE(holds(take(Whence::elsewhere, 200)));
  EXPECT_TRUE(holds(take(Whence::elsewhere, 100)));
  auto& waits = take(Whence::elsewhere, 1);
  EXPECT_FALSE(waits.has_value());
  EXPECT_TRUE(holds(take(Whence::here, 100)));
  EXPECT_FALSE(waits.has_value());
}

TEST_F(InflightTest, ThisHostMayHoldAllOfIt) {
  auto& all = take(Whence::here, 400);
  EXPECT_TRUE(holds(all));
  auto& waits = take(Whence::elsewhere, 300);
  EXPECT_FALSE(waits.has_value());
  give_back(all);
  EXPECT_TRUE(holds(waits));
}

TEST_F(InflightTest, WhatCanNeverFitIsNotWaitedFor) {
  auto& more_than_the_share = take(Whence::elsewhere, 301);
  ASSERT_TRUE(more_than_the_share.has_value());
  EXPECT_FALSE(more_than_the_share->holds());
  EXPECT_TRUE(holds(take(Whence::here, 301)));
}

TEST_F(InflightTest, ThisHostDoesNotWaitBehindOthers) {
  EXPECT_TRUE(holds(take(Whence::here, 100)));
  auto& small = take(Whence::here, 40);
  EXPECT_TRUE(holds(take(Whence::elsewhere, 240)));
  auto& came_first = take(Whence::elsewhere, 60);
  auto& came_second = take(Whence::here, 50);
  EXPECT_FALSE(came_first.has_value() || came_second.has_value());
  give_back(small);
  EXPECT_TRUE(holds(came_second));
  EXPECT_FALSE(came_first.has_value());
  give_back(came_second);
  EXPECT_TRUE(holds(came_first)) << "and they come next";
}

TEST_F(InflightTest, GrowsWithinTheShareOfItsSide) {
  auto& held = take(Whence::elsewhere, 290);
  ASSERT_TRUE(holds(held));
  EXPECT_FALSE(held->grow(20));
  EXPECT_TRUE(held->grow(10));
  EXPECT_EQ(held->bytes(), 300U);
  EXPECT_FALSE(take(Whence::elsewhere, 1).has_value());
  EXPECT_TRUE(holds(take(Whence::here, 100)));
}

}  // namespace
}  // namespace spanferry::test
