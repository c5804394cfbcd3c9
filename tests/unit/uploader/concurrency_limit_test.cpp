#include "uploader/concurrency_limit.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace spanferry::uploader {
namespace {

// One round trip in which the limit is used, and all succeed.
void succeed(ConcurrencyLimit& limit) {
  std::vector<ConcurrencyLimit::Sent> burst;
  for (std::size_t n = limit.limit(); burst.size() < n;) burst.push_back(limit.sent(n));
  for (const auto& one : burst) limit.succeeded(one);
}

TEST(ConcurrencyLimit, DoublesUpToItsCeilingBeforeTheFirstTrouble) {
  ConcurrencyLimit limit(64);
  std::vector<std::size_t> seen;
  for (int i = 0; i < 12; ++i) {
    seen.push_back(limit.limit());
    succeed(limit);
  }
  EXPECT_EQ(seen.front(), 8U);
  EXPECT_LE(seen[1], 16U);
  EXPECT_EQ(limit.limit(), 64U);
}

TEST(ConcurrencyLimit, HalvesOnceForABurstThatIsRefused) {
  ConcurrencyLimit limit(8);
  std::vector<ConcurrencyLimit::Sent> burst;
  for (std::size_t n = 1; n <= 8; ++n) burst.push_back(limit.sent(n));
  for (const auto& one : burst) limit.overloaded(one);
  EXPECT_EQ(limit.limit(), 4U);
  // What was sent before says nothing about what is now.
  limit.succeeded(burst.back());
  EXPECT_EQ(limit.limit(), 4U);
  limit.overloaded(limit.sent(4));
  EXPECT_EQ(limit.limit(), 2U);
}

TEST(ConcurrencyLimit, AddsOneARoundTripAfterThat) {
  ConcurrencyLimit limit(64);
  for (int i = 0; i < 12; ++i) succeed(limit);
  limit.overloaded(limit.sent(64));
  ASSERT_EQ(limit.limit(), 32U);
  for (int i = 0; i < 10; ++i) succeed(limit);
  EXPECT_GE(limit.limit(), 40U);
  EXPECT_LE(limit.limit(), 42U);
}

TEST(ConcurrencyLimit, DoesNotGrowByWhatDoesNotUseIt) {
  ConcurrencyLimit limit(64);
  for (int i = 0; i < 1000; ++i) limit.succeeded(limit.sent(2));
  EXPECT_EQ(limit.limit(), 8U);
}

TEST(ConcurrencyLimit, IsNotLoweredByWhatWasAlone) {
  ConcurrencyLimit limit(8);
  for (int i = 0; i < 100; ++i) limit.overloaded(limit.sent(1));
  EXPECT_EQ(limit.limit(), 8U);
  for (int i = 0; i < 100; ++i) limit.overloaded(limit.sent(2));
  EXPECT_EQ(limit.limit(), 1U);
}

TEST(ConcurrencyLimit, KeepsToASmallCeiling) {
  ConcurrencyLimit limit(1);
  succeed(limit);
  EXPECT_EQ(limit.limit(), 1U);
}

}  // namespace
}  // namespace spanferry::uploader
