#include "uploader/assessment_ids.hpp"

#include <gtest/gtest.h>

#include "tests/unit/uploader/memory_spool.hpp"

namespace spanferry::uploader {
namespace {

using spanferry::testing::MemorySpool;

std::string ours(int n) { return "a-" + std::to_string(n); }
std::string theirs(int n) { return "there-" + std::to_string(n); }

TEST(AssessmentIds, AreTheSameThereUnlessAnotherWasKept) {
  MemorySpool spool;
  AssessmentIds ids(spool, "w");
  ids.keep(ours(1), theirs(1));
  EXPECT_EQ(ids.id_there(ours(1)), theirs(1));
  EXPECT_EQ(ids.id_there(ours(2)), ours(2));
  EXPECT_TRUE(ids.is_anothers(theirs(1), ours(2)));
  EXPECT_FALSE(ids.is_anothers(theirs(1), ours(1)));
  EXPECT_FALSE(ids.is_anothers(theirs(2), ours(2)));
  EXPECT_EQ(AssessmentIds(spool, "another").id_there(ours(1)), ours(1));
}

TEST(AssessmentIds, TheOldestIsForgottenForANewOneAndNothingOfItIsLeft) {
  MemorySpool spool;
  AssessmentIds ids(spool, "w", 3);
  for (int n = 1; n <= 3; ++n) ids.keep(ours(n), theirs(n));
  const std::size_t kept = spool.values.size();
  for (int n = 4; n <= 20; ++n) ids.keep(ours(n), theirs(n));
  EXPECT_EQ(spool.values.size(), kept);
  for (int n = 1; n <= 17; ++n) {
    EXPECT_EQ(ids.id_there(ours(n)), ours(n));
    EXPECT_FALSE(ids.is_anothers(theirs(n), ours(99)));
  }
  for (int n = 18; n <= 20; ++n) {
    EXPECT_EQ(ids.id_there(ours(n)), theirs(n));
    EXPECT_TRUE(ids.is_anothers(theirs(n), ours(99)));
  }
}

TEST(AssessmentIds, HaveOneBoundForAllWhoKeepThemAndAfterARestart) {
  MemorySpool spool;
  AssessmentIds ids(spool, "w", 2), also(spool, "w", 2);
  ids.keep(ours(1), theirs(1));
  also.keep(ours(2), theirs(2));
  ids.keep(ours(3), theirs(3));
  AssessmentIds later(spool, "w", 2);
  later.keep(ours(4), theirs(4));
  EXPECT_EQ(ids.id_there(ours(1)), ours(1));
  EXPECT_EQ(ids.id_there(ours(2)), ours(2));
  EXPECT_EQ(ids.id_there(ours(3)), theirs(3));
  EXPECT_EQ(ids.id_there(ours(4)), theirs(4));
}

TEST(AssessmentIds, OneThatIsKeptAgainTakesNoSecondPlace) {
  MemorySpool spool;
  AssessmentIds ids(spool, "w", 2);
  ids.keep(ours(1), theirs(1));
  for (int again = 0; again < 5; ++again) ids.keep(ours(2), theirs(2));
  EXPECT_EQ(ids.id_there(ours(1)), theirs(1));
  ids.keep(ours(2), theirs(7));
  EXPECT_EQ(ids.id_there(ours(1)), theirs(1));
  EXPECT_EQ(ids.id_there(ours(2)), theirs(7));
  EXPECT_FALSE(ids.is_anothers(theirs(2), ours(3))) << "nobody goes by that id any more";
}

TEST(AssessmentIds, WhatAnotherGoesByNowOutlivesTheOneThatWentByIt) {
  MemorySpool spool;
  AssessmentIds ids(spool, "w", 2);
  ids.keep(ours(1), theirs(1));
  ids.keep(ours(2), theirs(1));
  ids.keep(ours(3), theirs(3));
  EXPECT_EQ(ids.id_there(ours(1)), ours(1));
  EXPECT_TRUE(ids.is_anothers(theirs(1), ours(3)));
}

}  // namespace
}  // namespace spanferry::uploader
