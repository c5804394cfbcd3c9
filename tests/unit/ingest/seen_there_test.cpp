#include "ingest/mlflow_api/seen_there.hpp"

#include <gtest/gtest.h>

namespace spanferry::ingest {
namespace {

const TraceId kTrace{{1}};

TEST(SeenThere, AnAnswerAskedForBeforeTheDeliveryWasKnownProvesNothing) {
  SeenThere seen;
  const auto early = seen.ask();
  seen.add(kTrace, 7, early);
  EXPECT_FALSE(seen.has(kTrace, 7));
  const auto later = seen.ask();
  seen.add(kTrace, 7, later);
  EXPECT_TRUE(seen.has(kTrace, 7));
  EXPECT_TRUE(seen.has(kTrace, 3));
}

TEST(SeenThere, AnEditAfterwardsHasToBeSeenForItself) {
  SeenThere seen;
  seen.add(kTrace, 7, seen.ask());
  seen.add(kTrace, 7, seen.ask());
  ASSERT_TRUE(seen.has(kTrace, 7));
  const auto while_it_was_delivered = seen.ask();
  EXPECT_FALSE(seen.has(kTrace, 9));
  seen.add(kTrace, 9, while_it_was_delivered);
  EXPECT_FALSE(seen.has(kTrace, 9));
  seen.add(kTrace, 9, seen.ask());
  EXPECT_TRUE(seen.has(kTrace, 9));
}

}  // namespace
}  // namespace spanferry::ingest
