#include "model/log_limiter.hpp"

#include <gtest/gtest.h>

namespace spanferry {
namespace {

TEST(LogLimiter, LetsOneLineThroughEachIntervalAndCountsTheRest) {
  LogLimiter limiter(std::chrono::seconds(10));
  LogLimiter::Clock::time_point now{};
  EXPECT_EQ(limiter.allow(now), 0U);
  EXPECT_EQ(limiter.allow(now), std::nullopt);
  now += std::chrono::milliseconds(9999);
  EXPECT_EQ(limiter.allow(now), std::nullopt);
  now += std::chrono::milliseconds(1);
  EXPECT_EQ(limiter.allow(now), 2U);
  now += std::chrono::seconds(60);
  EXPECT_EQ(limiter.allow(now), 0U);
}

}  // namespace
}  // namespace spanferry
