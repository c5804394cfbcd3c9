// Cursors: what is settled stays settled, and the accounting says how.
#include "spool/inspect.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

class CursorTest : public SpoolTest {
 protected:
  // `n` records of two traces with three spans each.
  void fill(unsigned n) {
    for (unsigned i = 0; i < n; ++i) {
      ASSERT_TRUE(append(*spool, entry_of(text_payload(500, i), {trace_of(2 * i), trace_of(2 * i + 1)}, 6)));
    }
  }
  static Settled whole(Seq seq, Outcome outcome, std::uint64_t spans = 6) {
    return {seq, 6, 2, std::nullopt, SpanCounts::of(outcome, spans), {}};
  }
  static Settled one_trace(Seq seq, unsigned which, Outcome outcome) {
    return {seq, 6, 2, trace_of(2 * (seq - 1) + which), SpanCounts::of(outcome, 3), {}};
  }
  static void settle(Cursor& cursor, Settled settled) {
    std::vector<Settled> list;
    list.push_back(std::move(settled));
    cursor.settle(std::move(list));
  }
  static void expect_identity(const Accounting& a) {
    EXPECT_EQ(a.accepted + a.recovered, a.settled.total() + a.pending);
  }
};

TEST_F(CursorTest, SettlesOutOfOrderAndMovesOnceTheHoleIsFilled) {
  open();
  auto* c = cursor("a");
  fill(4);
  settle(*c, whole(2, Outcome::delivered));
  settle(*c, whole(4, Outcome::delivered));
  EXPECT_EQ(c->position(), 1U);
  EXPECT_TRUE(c->settled(2));
  EXPECT_FALSE(c->settled(3));
  EXPECT_EQ(c->lag_records(), 2U);
  settle(*c, whole(1, Outcome::delivered));
  EXPECT_EQ(c->position(), 3U);
  settle(*c, whole(3, Outcome::dropped));
  EXPECT_EQ(c->position(), 5U);
  EXPECT_EQ(c->accounting().settled[Outcome::delivered], 18U);
  EXPECT_EQ(c->accounting().settled[Outcome::dropped], 6U);
  EXPECT_EQ(c->accounting().pending, 0U);
  expect_identity(c->accounting());
}

TEST_F(CursorTest, CountsWhatIsSettledTwiceOnce) {
  open();
  auto* c = cursor("a");
  fill(2);
  for (int i = 0; i < 3; ++i) {
    settle(*c, one_trace(2, 0, Outcome::delivered));
    settle(*c, whole(1, Outcome::delivered));
  }
  EXPECT_EQ(c->accounting().settled[Outcome::delivered], 9U);
  EXPECT_EQ(c->accounting().pending, 3U);
  settle(*c, whole(2, Outcome::dead, 3));  // all that is left
  settle(*c, one_trace(2, 1, Outcome::delivered));
  EXPECT_EQ(c->accounting().settled[Outcome::dead], 3U);
  EXPECT_EQ(c->accounting().pending, 0U);
  expect_identity(c->accounting());
}

TEST_F(CursorTest, KeepsIntervalsAndMarksAcrossAKill) {
  internals.flush_at_close = false;
  open();
  auto* c = cursor("a");
  fill(5);
  settle(*c, whole(2, Outcome::delivered));
  settle(*c, one_trace(4, 1, Outcome::dead));
  open();
  c = cursor("a");
  EXPECT_EQ(c->position(), 1U);
  EXPECT_TRUE(c->settled(2));
  EXPECT_FALSE(c->settled(4));
  EXPECT_TRUE(c->settled(4, trace_of(7)));
  EXPECT_FALSE(c->settled(4, trace_of(6)));
  EXPECT_EQ(c->accounting().pending, 30U - 9U);
  expect_identity(c->accounting());
  settle(*c, one_trace(4, 0, Outcome::delivered));
  EXPECT_TRUE(c->settled(4));
}

TEST_F(CursorTest, StartsNowOrAtTheOldestAndTheFirstOneAtTheOldest) {
  open();
  fill(3);
  EXPECT_EQ(cursor("first", Spool::From::now)->position(), 1U);
  EXPECT_EQ(cursor("second", Spool::From::now)->position(), 4U);
  EXPECT_EQ(cursor("third", Spool::From::oldest)->position(), 1U);
  EXPECT_EQ(cursor("second")->accounting().accepted, 0U);
  fill(1);
  EXPECT_EQ(cursor("second")->accounting().accepted, 6U);
}

TEST_F(CursorTest, KeepsDeadLettersInTheSameBatch) {
  open();
  auto* c = cursor("a");
  fill(1);
  Settled settled = one_trace(1, 0, Outcome::dead);
  DeadLetter letter;
  letter.destination = "a";
  letter.seq = 1;
  letter.trace_id = trace_of(0);
  letter.span_id = span_of(5);
  letter.spans = 3;
  letter.status = 422;
  letter.reason = "it was refused";
  letter.payload = "bytes";
  settled.dead.push_back(letter);
  settle(*c, settled);
  open();
  const auto letters = spool->dead_letters("a", 10);
  ASSERT_TRUE(letters);
  ASSERT_EQ(letters->size(), 1U);
  EXPECT_EQ(letters->front().reason, "it was refused");
  const auto again = spool->dead_letter(letter.id());
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->payload, "bytes");
  EXPECT_EQ(spool->status().dead_letters, 1U);
  EXPECT_TRUE(spool->dead_letters("b", 10)->empty());
  EXPECT_FALSE(spool->dead_letter("a/1/xyz/1")->has_value());
}

TEST_F(CursorTest, DropsTheOldestDeadLettersBeyondTheirBudget) {
  settings.dead_letter_max_bytes = 10'000;
  open();
  auto* c = cursor("a");
  fill(10);
  for (Seq seq = 1; seq <= 10; ++seq) {
    Settled settled = whole(seq, Outcome::dead);
    DeadLetter letter;
    letter.destination = "a";
    letter.seq = seq;
    letter.trace_id = trace_of(seq);
    letter.spans = 6;
    letter.payload = text_payload(2000, static_cast<unsigned>(seq));
    settled.dead.push_back(std::move(letter));
    settle(*c, std::move(settled));
  }
  ASSERT_TRUE(eventually([&] { return spool->status().dead_letters == 4; }));
  ASSERT_TRUE(eventually([&] { return spool->dead_letters("a", 100)->size() == 4; }));
  EXPECT_EQ(spool->dead_letters("a", 100)->front().seq, 7U);
  EXPECT_EQ(c->accounting().settled[Outcome::dead], 24U);
  EXPECT_EQ(c->accounting().settled[Outcome::dropped], 36U);
  expect_identity(c->accounting());
}

TEST_F(CursorTest, HoldsTheLogOnlyWhileSomebodyAsksForIt) {
  settings.retain_age = std::chrono::seconds(0);
  open();
  cursor("gone");
  fill(6);
  open();
  EXPECT_EQ(spool->orphaned_cursors(), std::vector<std::string>{"gone"});
  auto* c = cursor("here");
  for (Seq seq = 1; seq <= 6; ++seq) settle(*c, whole(seq, Outcome::delivered));
  ASSERT_TRUE(eventually([&] { return spool->first() == 7; }));
  auto* back = cursor("gone");
  EXPECT_EQ(back->accounting().settled[Outcome::dropped], 36U);
  EXPECT_EQ(back->accounting().pending, 0U);
  expect_identity(back->accounting());
}

TEST_F(CursorTest, TellsWhatAReleasedOneHadPendingAcrossARestart) {
  open();
  auto* c = cursor("gone");
  cursor("here");
  fill(5);
  settle(*c, whole(1, Outcome::delivered));
  EXPECT_TRUE(spool->status().removed.empty());
  spool->release("gone");
  fill(3);  // not for it any more
  const auto told = [&] {
    const auto removed = spool->status().removed;
    return removed.size() == 1 && removed[0].name == "gone" ? removed[0].pending_spans : 0;
  };
  EXPECT_EQ(told(), 24U);
  open();
  cursor("here");
  EXPECT_EQ(told(), 24U);
  cursor("gone");
  EXPECT_TRUE(spool->status().removed.empty());
}

TEST_F(CursorTest, IsForgottenWithItsDeadLettersOnceReleased) {
  open();
  auto* c = cursor("gone");
  cursor("gone#info");
  cursor("here");
  fill(2);
  Settled settled = whole(1, Outcome::dead);
  DeadLetter letter;
  letter.destination = "gone";
  letter.seq = 1;
  letter.trace_id = trace_of(0);
  letter.spans = 6;
  settled.dead.push_back(std::move(letter));
  settle(*c, std::move(settled));
  settle(*c, one_trace(2, 0, Outcome::delivered));
  const auto forget = [&](const std::string& name) {
    std::promise<Result<>> done;
    spool->forget(name, [&done](Result<> result) { done.set_value(std::move(result)); });
    return done.get_future().get();
  };
  EXPECT_EQ(forget("nobody").error().kind, ErrorKind::not_found);
  EXPECT_EQ(forget("gone").error().kind, ErrorKind::invalid_input);
  spool->release("gone");
  spool->release("gone#info");
  ASSERT_TRUE(forget("gone"));
  EXPECT_TRUE(spool->status().removed.empty());
  EXPECT_EQ(spool->status().dead_letters, 0U);
  EXPECT_TRUE(spool->dead_letters("gone", 10)->empty());
  open();
  EXPECT_EQ(spool->orphaned_cursors(), std::vector<std::string>{"here"});
  // One that comes back begins anew.
  EXPECT_EQ(cursor("gone", Spool::From::now)->accounting().accepted, 0U);
}

TEST_F(CursorTest, CanBeCheckedByAScanBesideTheRunningProcess) {
  open();
  auto* c = cursor("a");
  cursor("b");
  fill(5);
  settle(*c, whole(1, Outcome::delivered));
  settle(*c, whole(3, Outcome::delivered));
  settle(*c, one_trace(4, 0, Outcome::delivered));
  ASSERT_TRUE(eventually([&] {
    const auto found = inspect(directory.path());
    return found && found->cursors.size() == 2 && found->cursors[0].pending_spans == 15;
  }));
  const auto found = inspect(directory.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->records, 5U);
  EXPECT_EQ(found->spans, 30U);
  EXPECT_EQ(found->cursors[0].pending_records, 3U);
  EXPECT_EQ(found->cursors[0].pending_spans, c->accounting().pending);
  EXPECT_EQ(found->cursors[1].pending_spans, 30U);
  EXPECT_TRUE(found->gaps.empty());
}

TEST_F(CursorTest, SaysSinceWhenTheOldestRecordWaits) {
  open();
  auto* c = cursor("a");
  EXPECT_EQ(c->oldest_pending_ns(), 0);
  Entry entry = entry_of("x", {trace_of(0), trace_of(1)}, 6);
  entry.header.received_ns = 1234;
  ASSERT_TRUE(append(*spool, std::move(entry)));
  EXPECT_EQ(c->oldest_pending_ns(), 1234);
  settle(*c, whole(1, Outcome::delivered));
  EXPECT_EQ(c->oldest_pending_ns(), 0);
}

}  // namespace
}  // namespace spanferry::spool
