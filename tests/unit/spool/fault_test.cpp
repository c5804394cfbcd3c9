// Power cuts and failing disks: nothing is acknowledged that is not kept, and the spool comes back by itself.
#include "tests/unit/spool/crashing_env.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

class FaultTest : public SpoolTest {
 protected:
  FaultTest() {
    internals.env = env.get();
    internals.flush_at_close = false;
  }
  ~FaultTest() override { spool.reset(); }
  // Ends the process as a power cut does.
  void crash() {
    disk->cut_power();
    spool.reset();
    disk->forget_unsynced();
    disk->restore_power();
  }

  std::shared_ptr<CrashingFileSystem> disk = std::make_shared<CrashingFileSystem>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
};

TEST_F(FaultTest, KeepsEverythingAcknowledgedBeforeAPowerCut) {
  unsigned acknowledged = 0;
  for (int round = 0; round < 4; ++round) {
    open();
    ASSERT_EQ(read_all(1).size(), acknowledged);
    for (unsigned i = 0; i < 60; ++i, ++acknowledged) {
      ASSERT_TRUE(
          append(*spool, entry_of(text_payload(1000 + 997 * i, acknowledged), {trace_of(acknowledged)}, 1)));
    }
    crash();
  }
  open();
  std::vector<Gap> gaps;
  const auto records = read_all(1, &gaps);
  ASSERT_EQ(records.size(), acknowledged);
  EXPECT_TRUE(gaps.empty());
  EXPECT_EQ(spool->status().quarantined_records, 0U);
}

TEST_F(FaultTest, MayLoseWithoutDurabilityWhatItAcknowledged) {
  // The counterpart: shows that the power cut of these tests takes what was not synced.
  settings.durability = Durability::none;
  open();
  for (unsigned i = 0; i < 20; ++i) ASSERT_TRUE(append(*spool, entry_of(text_payload(1000, i), {}, 1)));
  crash();
  open();
  EXPECT_LT(read_all(1).size(), 20U);
}

TEST_F(FaultTest, AcknowledgesNothingOfAGroupWhoseSyncFailed) {
  open();
  auto* c = cursor("a");
  ASSERT_TRUE(append(*spool, entry_of("one", {}, 1)));
  disk->failing_syncs = 1;
  const auto failed = append(*spool, entry_of("two", {}, 1));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(disk->failed, 1);
  ASSERT_TRUE(eventually([&] { return spool->accepting(); }));
  ASSERT_TRUE(append(*spool, entry_of("three", {}, 1)));
  crash();
  open();
  c = cursor("a");
  std::vector<std::string> payloads;
  for (const auto& record : read_all(1)) payloads.push_back(*record.payload);
  EXPECT_EQ(payloads.front(), "one");
  EXPECT_EQ(payloads.back(), "three");
  EXPECT_EQ(c->accounting().pending, payloads.size());
}

TEST_F(FaultTest, ComesBackAfterFailedWritesWithItsCursorsInPlace) {
  open();
  auto* c = cursor("a");
  for (unsigned i = 0; i < 10; ++i)
    ASSERT_TRUE(append(*spool, entry_of(text_payload(40'000, i), {trace_of(i)}, 1)));
  c->settle({{3, 1, 1, std::nullopt, SpanCounts::of(Outcome::delivered, 1), {}}});
  disk->failing_appends = 3;
  unsigned refused = 0;
  for (unsigned i = 0; i < 20; ++i)
    refused += append(*spool, entry_of(text_payload(40'000, i), {}, 1)) ? 0 : 1;
  EXPECT_GT(refused, 0U);
  c->settle({{5, 1, 1, std::nullopt, SpanCounts::of(Outcome::delivered, 1), {}}});
  ASSERT_TRUE(eventually([&] { return append(*spool, entry_of("after", {}, 1)) && disk->failed == 3; }));
  std::vector<Gap> gaps;
  EXPECT_EQ(read_all(1, &gaps).back().seq + 1, spool->end());
  EXPECT_TRUE(gaps.empty());
  put_and_wait(*spool, "k", "v");
  crash();
  open();
  c = cursor("a");
  EXPECT_TRUE(c->settled(3));
  EXPECT_TRUE(c->settled(5));
  EXPECT_EQ(*spool->load("k"), "v");
  const auto a = c->accounting();
  EXPECT_EQ(a.accepted, a.settled.total() + a.pending);
}

TEST_F(FaultTest, TrimsNothingWhoseDeadLettersAPowerCutCouldTake) {
  open();
  auto* c = cursor("a");
  for (unsigned i = 0; i < 10; ++i)
    ASSERT_TRUE(append(*spool, entry_of(text_payload(900, i), {trace_of(i)}, 1)));
  for (Seq seq = 1; seq <= 10; ++seq) {
    Settled settled{seq, 1, 1, std::nullopt, SpanCounts::of(Outcome::dead, 1), {}};
    DeadLetter letter;
    letter.destination = "a";
    letter.seq = seq;
    settled.dead.push_back(std::move(letter));
    std::vector<Settled> list;
    list.push_back(std::move(settled));
    c->settle(std::move(list));
    std::promise<void> written;
    c->when_written([&written] { written.set_value(); });
    written.get_future().wait();
  }
  crash();
  open();
  c = cursor("a");
  // Each record is still there to be sent again, or its letter is.
  const auto letters = spool->dead_letters("a", 100)->size();
  EXPECT_EQ(letters, c->accounting().settled[Outcome::dead]);
  EXPECT_EQ(letters + c->accounting().pending, 10U);
  EXPECT_EQ(read_all(c->position()).size(), c->accounting().pending);
}

TEST_F(FaultTest, WritesAgainWhatWasWrittenButNotSyncedWhenASyncFailed) {
  open();
  auto* c = cursor("a");
  for (unsigned i = 0; i < 4; ++i)
    ASSERT_TRUE(append(*spool, entry_of(text_payload(900, i), {trace_of(i)}, 1)));
  c->settle({{2, 1, 1, std::nullopt, SpanCounts::of(Outcome::delivered, 1), {}}});
  DeadLetter letter;
  letter.destination = "a";
  letter.seq = 3;
  c->settle({{3, 1, 1, std::nullopt, SpanCounts::of(Outcome::dead, 1), {letter}}});
  std::promise<void> written;
  c->when_written([&written] { written.set_value(); });
  written.get_future().wait();
  disk->failing_syncs = 1;
  ASSERT_TRUE(eventually([&] { return append(*spool, entry_of("after", {}, 1)) && disk->failed == 1; }));
  ASSERT_TRUE(append(*spool, entry_of("after", {}, 1)));
  crash();
  open();
  EXPECT_TRUE(cursor("a")->settled(2));
  EXPECT_TRUE(cursor("a")->settled(3));
  EXPECT_EQ(spool->dead_letters("a", 10)->size(), 1U);
  EXPECT_EQ(spool->status().dead_letters, 1U);
}

TEST_F(FaultTest, NeverTrimsBeforeTheCursorsMoveIsDurable) {
  for (int round = 0; round < 3; ++round) {
    open();
    auto* c = cursor("a");
    const Seq begin = spool->end();
    for (unsigned i = 0; i < 30; ++i)
      ASSERT_TRUE(append(*spool, entry_of(text_payload(9'000, i), {trace_of(i)}, 1)));
    std::vector<Settled> settled;
    for (Seq seq = c->position(); seq < begin + 20; ++seq) {
      settled.push_back({seq, 1, 1, std::nullopt, SpanCounts::of(Outcome::delivered, 1), {}});
    }
    c->settle(std::move(settled));
    if (round == 1) ASSERT_TRUE(eventually([&] { return spool->first() == begin + 20; }));
    crash();
    open();
    std::vector<Gap> gaps;
    c = cursor("a");
    const auto left = read_all(c->position(), &gaps);
    EXPECT_TRUE(gaps.empty());
    EXPECT_EQ(left.size(), spool->end() - c->position());
    EXPECT_EQ(spool->end(), begin + 30);
    crash();
  }
}

}  // namespace
}  // namespace spanferry::spool
