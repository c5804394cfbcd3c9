// The parked space: what one destination cannot settle now leaves the log, and stays pending until it is
// settled.
#include "spool/inspect.hpp"
#include "tests/unit/spool/crashing_env.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

class ParkedTest : public SpoolTest {
 protected:
  // Records of one trace and two spans each; record n has trace n.
  void fill(Seq last) {
    for (Seq seq = spool->end(); seq <= last; ++seq) {
      Entry entry = entry_of(text_payload(300, static_cast<unsigned>(seq)), {trace_of(seq)}, 2);
      entry.header.received_ns = static_cast<std::int64_t>(seq);
      ASSERT_TRUE(append(*spool, std::move(entry)));
    }
  }
  Settled parked(Seq seq) {
    const auto record = spool->get(seq);
    Settled settled = Settled::all(**record, {});
    settled.parked.push_back(parked_part(**record, trace_of(seq), 2, (*record)->payload));
    return settled;
  }
  void park(Cursor& c, Seq first, Seq last) {
    std::vector<Settled> all;
    for (Seq seq = first; seq <= last; ++seq) all.push_back(parked(seq));
    c.settle(std::move(all));
  }
  static void deliver(Cursor& c, Seq first, Seq last) {
    std::vector<Settled> all;
    for (Seq seq = first; seq <= last; ++seq)
      all.push_back({seq, 2, 1, std::nullopt, SpanCounts::of(Outcome::delivered, 2), {}, {}});
    c.settle(std::move(all));
  }
  static void settle(Cursor& c, const Parked& part, Outcome outcome) {
    std::vector<SettledParked> all;
    all.emplace_back(part, SpanCounts::of(outcome, part.header.span_count));
    c.settle_parked(std::move(all));
  }
  static std::vector<Seq> seqs(Cursor& c, const std::optional<ParkedKey>& after = {},
                               std::size_t max_bytes = 1U << 20) {
    const auto parts = c.read_parked(after, max_bytes);
    EXPECT_TRUE(parts) << parts.error().sentence;
    std::vector<Seq> found;
    for (const auto& part : parts.value_or(std::vector<Parked>{})) found.push_back(part.key.seq);
    return found;
  }
  static void expect(const Cursor& c, std::uint64_t pending, std::uint64_t delivered) {
    const auto a = c.accounting();
    EXPECT_EQ(a.pending, pending);
    EXPECT_EQ(a.settled[Outcome::delivered], delivered);
    EXPECT_EQ(a.accepted, a.settled.total() + a.pending);
  }
};

TEST_F(ParkedTest, LetsTheLogGoOnAndKeepsWhatIsPending) {
  open();
  auto* c = cursor("a");
  fill(4);
  park(*c, 2, 3);
  deliver(*c, 1, 1);
  deliver(*c, 4, 4);
  EXPECT_EQ(c->position(), 5U);
  EXPECT_EQ(c->lag_records(), 0U);
  expect(*c, 4, 4);
  EXPECT_EQ(c->parked().records, 2U);
  ASSERT_TRUE(eventually([&] { return spool->first() == 5; })) << "trimming passes what is parked";
  const auto parts = c->parked_of(trace_of(3));
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 1U);
  EXPECT_EQ(*parts->front().payload, text_payload(300, 3));
  EXPECT_EQ(parts->front().header.received_ns, 3);
  EXPECT_EQ(parts->front().header.only_trace, trace_of(3));
  settle(*c, parts->front(), Outcome::delivered);
  settle(*c, parts->front(), Outcome::delivered);
  expect(*c, 2, 6);
  EXPECT_EQ(seqs(*c), std::vector<Seq>{2});
}

TEST_F(ParkedTest, IsReadInOrderFromMemoryAndDisk) {
  open();
  auto* c = cursor("a");
  auto* other = cursor("ab");
  fill(6);
  park(*c, 1, 2);
  park(*other, 6, 6);
  EXPECT_EQ(seqs(*c), (std::vector<Seq>{1, 2})) << "not written yet";
  ASSERT_TRUE(eventually(
      [&] { return spool->first() == 1 && inspect(directory.path())->cursors[0].parked.records == 2; }));
  park(*c, 3, 5);
  EXPECT_EQ(seqs(*c), (std::vector<Seq>{1, 2, 3, 4, 5}));
  EXPECT_EQ(seqs(*c, ParkedKey{trace_of(2), 2, {}}), (std::vector<Seq>{3, 4, 5}));
  EXPECT_EQ(seqs(*c, std::nullopt, 1), std::vector<Seq>{1});
  settle(*c, c->parked_of(trace_of(2))->front(), Outcome::delivered);
  EXPECT_EQ(seqs(*c), (std::vector<Seq>{1, 3, 4, 5}));
  EXPECT_EQ(seqs(*other), std::vector<Seq>{6});
}

TEST_F(ParkedTest, SurvivesAKillAndIsCountedByAScan) {
  internals.flush_at_close = false;
  open();
  fill(5);
  auto* c = cursor("a");
  park(*c, 1, 3);
  deliver(*c, 4, 5);
  std::promise<void> written;
  c->when_written([&] { written.set_value(); });
  written.get_future().wait();
  open();
  c = cursor("a");
  EXPECT_EQ(c->position(), 6U);
  expect(*c, 6, 4);
  EXPECT_EQ(seqs(*c), (std::vector<Seq>{1, 2, 3}));
  spool.reset();
  const auto found = inspect(directory.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->cursors[0].pending_records, 3U);
  EXPECT_EQ(found->cursors[0].pending_spans, 6U);
  EXPECT_EQ(found->cursors[0].parked.spans, 6U);
}

TEST_F(ParkedTest, APowerCutForgetsBothTheMoveAndWhatItParkedOrNeither) {
  const auto disk = std::make_shared<CrashingFileSystem>();
  const auto env = rocksdb::NewCompositeEnv(disk);
  internals.env = env.get();
  internals.flush_at_close = false;
  open();
  fill(3);
  park(*cursor("a"), 1, 3);
  disk->cut_power();
  spool.reset();
  disk->forget_unsynced();
  disk->restore_power();
  open();
  auto* c = cursor("a");
  EXPECT_EQ(c->position() == 1, c->parked().records == 0);
  EXPECT_EQ(seqs(*c).size(), c->parked().records);
  expect(*c, 6, 0);
  spool.reset();
}

TEST_F(ParkedTest, ADeadLetterThatIsTriedAgainIsPendingUntilItIsSettled) {
  open();
  auto* c = cursor("a");
  fill(2);
  Settled dead{1, 2, 1, std::nullopt, SpanCounts::of(Outcome::dead, 2), {}, {}};
  DeadLetter letter;
  letter.destination = "a";
  letter.seq = 1;
  letter.trace_id = trace_of(1);
  letter.span_id = span_of(7);
  letter.spans = 2;
  letter.received_ns = 77;
  letter.route.experiment_id = "5";
  letter.payload = "payload";
  dead.dead.push_back(letter);
  std::vector<Settled> all;
  all.push_back(std::move(dead));
  c->settle(std::move(all));
  deliver(*c, 2, 2);
  ASSERT_TRUE(eventually([&] { return spool->dead_letter(letter.id())->has_value(); }));
  int told = 0;
  const auto subscription = spool->subscribe([&told] { ++told; });
  EXPECT_EQ(spool->retry_dead_letters(letter.id()), 1U);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(spool->retry_dead_letters(letter.id()).error().kind, ErrorKind::not_found);
  EXPECT_EQ(spool->status().dead_letters, 0U);
  expect(*c, 2, 2);
  EXPECT_EQ(c->parked().revived, 1U);
  internals.flush_at_close = false;
  open();
  c = cursor("a");
  const auto parts = c->read_parked({}, 1000);
  ASSERT_EQ(parts->size(), 1U);
  EXPECT_EQ(parts->front().key, (ParkedKey{trace_of(1), 1, span_of(7)}));
  EXPECT_EQ(parts->front().header.route.experiment_id, "5");
  EXPECT_EQ(parts->front().header.received_ns, 77);
  std::vector<SettledParked> again;
  again.emplace_back(parts->front(), SpanCounts::of(Outcome::dead, 2));
  again.back().dead.push_back(letter);
  c->settle_parked(std::move(again));
  EXPECT_EQ(c->accounting().settled[Outcome::dead], 2U);
  ASSERT_TRUE(eventually([&] { return spool->dead_letter(letter.id())->has_value(); }));
  EXPECT_EQ(spool->status().dead_letters, 1U);
  expect(*c, 0, 2);
}

TEST_F(ParkedTest, RefusedAgainBeforeTheRetryIsOnDiskALetterIsThereOnce) {
  open();
  auto* c = cursor("a");
  fill(1);
  DeadLetter letter;
  letter.destination = "a";
  letter.seq = 1;
  letter.trace_id = trace_of(1);
  letter.spans = 2;
  letter.payload = "payload";
  Settled dead{1, 2, 1, std::nullopt, SpanCounts::of(Outcome::dead, 2), {}, {}};
  dead.dead.push_back(letter);
  std::vector<Settled> all;
  all.push_back(std::move(dead));
  c->settle(std::move(all));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(eventually([&] { return spool->dead_letter(letter.id())->has_value(); }));
    ASSERT_EQ(spool->retry_dead_letters("a"), 1U);
    const auto parts = c->read_parked({}, 1000);
    ASSERT_EQ(parts->size(), 1U);
    std::vector<SettledParked> again;
    again.emplace_back(parts->front(), SpanCounts::of(Outcome::dead, 2));
    again.back().dead.push_back(letter);
    c->settle_parked(std::move(again));
  }
  ASSERT_TRUE(eventually([&] { return spool->dead_letter(letter.id())->has_value(); }));
  EXPECT_EQ(spool->status().dead_letters, 1U);
  EXPECT_EQ(spool->status().dead_letter_bytes, encode(letter).size() + 2 + 8 + 16 + 8);
  EXPECT_EQ(c->accounting().settled[Outcome::dead], 2U);
  EXPECT_EQ(c->parked().records, 0U);
}

TEST_F(ParkedTest, AForgottenDestinationLeavesNothingParked) {
  open();
  fill(2);
  park(*cursor("a"), 1, 2);
  auto* c = cursor("b");
  deliver(*c, 1, 2);
  spool->release("a");
  std::promise<Result<>> forgotten;
  spool->forget("a", [&](Result<> result) { forgotten.set_value(std::move(result)); });
  ASSERT_TRUE(forgotten.get_future().get());
  c = cursor("a");
  EXPECT_EQ(c->parked().records, 0U);
  EXPECT_TRUE(seqs(*c).empty());
}

TEST_F(ParkedTest, BeyondItsBudgetAnAppendForAHeldRouteIsRefusedAndNoOther) {
  settings.parked_max_bytes = 500;
  open();
  fill(2);
  auto* c = cursor("a");
  const Route closed{"7", {}, {}};
  const auto append_to = [&](const Route& route) {
    Entry entry = entry_of("x", {trace_of(99)}, 1);
    entry.header.route = route;
    return append(*spool, std::move(entry));
  };
  spool->hold_routes("a", {closed});
  EXPECT_TRUE(append_to(closed));
  park(*c, 1, 2);
  ASSERT_TRUE(eventually([&] { return c->parked().full; }));
  const auto refused = append_to(closed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::held);
  EXPECT_TRUE(append_to(Route{}));
  spool->hold_routes("a", {});
  EXPECT_TRUE(append_to(closed));
}

TEST_F(ParkedTest, BeyondItsBudgetWhatIsForNobodyWhoIsWaitedForIsDropped) {
  settings.parked_max_bytes = 500;
  open();
  fill(3);
  auto* c = cursor("a");
  c->limit_lag(0);
  park(*c, 1, 2);
  ASSERT_TRUE(eventually([&] { return c->parked().full; }));
  park(*c, 3, 3);
  EXPECT_EQ(c->accounting().settled[Outcome::dropped], 2U);
  expect(*c, 4, 0);
}

TEST_F(ParkedTest, WhatIsOlderThanMaxAgeIsDroppedWhoeverElseHasReadIt) {
  settings.max_age = std::chrono::hours(1);
  open();
  auto* c = cursor("a");
  auto* other = cursor("b");
  fill(3);  // in 1970
  ASSERT_TRUE(append(*spool, entry_of("new", {trace_of(4)}, 2)));
  park(*c, 1, 2);
  const auto read = c->parked_of(trace_of(1));
  ASSERT_EQ(read->size(), 1U);
  park(*c, 4, 4);
  park(*other, 3, 3);
  ASSERT_TRUE(eventually([&] { return c->parked().records == 1 && other->parked().records == 0; }));
  EXPECT_EQ(seqs(*c), std::vector<Seq>{4});
  EXPECT_EQ(c->accounting().settled[Outcome::dropped], 4U);
  EXPECT_EQ(other->accounting().settled[Outcome::dropped], 2U);
  const auto is_on_disk = [&] { return inspect(directory.path())->cursors[0].parked.records == 1; };
  ASSERT_TRUE(eventually(is_on_disk));
  // It was under way meanwhile.
  settle(*c, read->front(), Outcome::delivered);
  EXPECT_EQ(c->accounting().settled[Outcome::delivered], 0U);
  EXPECT_EQ(c->parked().records, 1U);
}

TEST_F(ParkedTest, WithDropOldestTheOldestMakesRoomAndNobodyIsRefused) {
  settings.parked_max_bytes = 2000;
  settings.when_full = WhenFull::drop_oldest;
  open();
  auto* c = cursor("a");
  const Route closed{"7", {}, {}};
  spool->hold_routes("a", {closed});
  // The newest trace stands first in the parked space.
  for (Seq seq = 1; seq <= 8; ++seq) {
    Entry entry = entry_of(text_payload(300, static_cast<unsigned>(seq)), {trace_of(100 - seq)}, 2);
    entry.header.route = closed;
    entry.header.received_ns = static_cast<std::int64_t>(seq) * 1'000'000'000;
    ASSERT_TRUE(append(*spool, std::move(entry)));
    const auto record = spool->get(seq);
    Settled settled = Settled::all(**record, {});
    settled.parked.push_back(parked_part(**record, trace_of(100 - seq), 2, (*record)->payload));
    std::vector<Settled> all;
    all.push_back(std::move(settled));
    c->settle(std::move(all));
  }
  ASSERT_TRUE(eventually([&] { return c->parked().bytes < 2000; }));
  const auto kept = seqs(*c);
  EXPECT_EQ(kept.size(), c->parked().records);
  EXPECT_FALSE(kept.empty());
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i], 8 - i) << "the newest are kept";
  EXPECT_EQ(c->accounting().settled[Outcome::dropped], 2 * (8 - kept.size()));
}

}  // namespace
}  // namespace spanferry::spool
