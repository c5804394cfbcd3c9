// Dead letters as an operator handles them.
#include "spool/inspect.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

class DeadTest : public SpoolTest {
 protected:
  // Record `seq` of the log: one trace of two spans, refused.
  void refuse(Cursor& c, Seq seq) {
    ASSERT_TRUE(append(*spool, entry_of(text_payload(100, 1), {trace_of(seq)}, 2)));
    const auto record = spool->get(seq);
    ASSERT_TRUE(record && *record);
    Settled settled = Settled::all(**record, SpanCounts::of(Outcome::dead, 2));
    DeadLetter letter;
    letter.destination = c.name();
    letter.seq = seq;
    letter.trace_id = trace_of(seq);
    letter.spans = 2;
    letter.reason = "refused";
    letter.payload = text_payload(100, 1);
    settled.dead.push_back(std::move(letter));
    std::vector<Settled> all;
    all.push_back(std::move(settled));
    c.settle(std::move(all));
  }
  void refuse_all(Cursor& c, Seq last) {
    for (Seq seq = 1; seq <= last; ++seq) {
      refuse(c, seq);
      if (HasFatalFailure()) return;
    }
    ASSERT_TRUE(eventually([&] { return spool->dead_letter(id_of(c.name(), last))->has_value(); }));
  }
  static std::string id_of(const std::string& destination, Seq seq) {
    return destination + "/" + std::to_string(seq) + "/" + trace_of(seq).hex() + "/0000000000000000";
  }
};

TEST_F(DeadTest, DropsOneLetterOnceAndCountsItsSpans) {
  open();
  auto* c = cursor("a");
  refuse_all(*c, 3);
  EXPECT_EQ(spool->drop_dead_letters(id_of("a", 2)), 1U);
  EXPECT_EQ(spool->drop_dead_letters(id_of("a", 2)).error().kind, ErrorKind::not_found);
  EXPECT_EQ(spool->dead_letters("a", 10)->size(), 2U);
  EXPECT_EQ(c->accounting().settled[Outcome::dead], 4U);
  EXPECT_EQ(c->accounting().settled[Outcome::dropped], 2U);
  internals.flush_at_close = false;
  open();
  EXPECT_EQ(spool->dead_letters("a", 10)->size(), 2U);
  EXPECT_EQ(spool->status().dead_letters, 2U);
  EXPECT_EQ(cursor("a")->accounting().settled[Outcome::dropped], 2U);
}

TEST_F(DeadTest, DropsAllOfADestinationAndNoneOfItsNeighbour) {
  open();
  auto* a = cursor("a");
  auto* b = cursor("ab");
  refuse_all(*a, 600);
  const auto record = spool->get(1);
  std::vector<Settled> all;
  all.push_back(Settled::all(**record, SpanCounts::of(Outcome::dead, 2)));
  DeadLetter letter;
  letter.destination = "ab";
  letter.seq = 1;
  letter.trace_id = trace_of(1);
  letter.spans = 2;
  all.back().dead.push_back(letter);
  b->settle(std::move(all));
  ASSERT_TRUE(eventually([&] { return spool->status().dead_letters == 601; }));
  EXPECT_EQ(spool->drop_dead_letters("a"), 600U);
  EXPECT_EQ(spool->dead_letters("", 1000)->size(), 1U);
  EXPECT_EQ(a->accounting().settled[Outcome::dropped], 1200U);
  for (const char* none : {"a", "b", "", "a/x", "nobody/1/x/y"}) {
    EXPECT_FALSE(spool->drop_dead_letters(none)) << none;
  }
}

TEST_F(DeadTest, IsReadOneByOneFromOutside) {
  open();
  auto* c = cursor("a");
  refuse_all(*c, 3);
  spool.reset();
  std::vector<Seq> seen;
  const auto take = [&](const DeadLetter& letter) {
    seen.push_back(letter.seq);
    return seen.size() < 2;
  };
  ASSERT_TRUE(each_dead(directory.path(), "", take));
  EXPECT_EQ(seen, (std::vector<Seq>{1, 2}));
  seen.clear();
  ASSERT_TRUE(each_dead(directory.path(), id_of("a", 3), take));
  EXPECT_EQ(seen, std::vector<Seq>{3});
}

TEST_F(DeadTest, WhatIsNoSpanBelongsToTheSecondReaderOfADestination) {
  open();
  auto* first = cursor("a");
  auto* second = cursor("a#info");
  refuse_all(*first, 1);
  ASSERT_TRUE(append(*spool, entry_of(text_payload(100, 1), {trace_of(2)}, 2)));
  Settled settled{2, 2, 1, trace_of(2), {}, {}};
  DeadLetter letter;
  letter.destination = "a";
  letter.seq = 2;
  letter.trace_id = trace_of(2);
  letter.spans = 0;
  letter.kind = RecordKind::trace_edit;
  letter.payload = "{}";
  settled.dead.push_back(letter);
  std::vector<Settled> all;
  all.push_back(std::move(settled));
  second->settle(std::move(all));
  ASSERT_TRUE(eventually([&] { return spool->dead_letters("a", 10)->size() == 2; }));
  EXPECT_EQ(second->dead_letters(), 1U);
  EXPECT_EQ(spool->retry_dead_letters(id_of("a", 2)), 1U);
  EXPECT_EQ(second->parked().records, 1U);
  EXPECT_EQ(first->parked().records, 0U);
  EXPECT_EQ(second->dead_letters(), 0U);
  EXPECT_EQ(spool->drop_dead_letters("a"), 1U);
  EXPECT_EQ(first->dead_letters(), 0U);
}

}  // namespace
}  // namespace spanferry::spool
