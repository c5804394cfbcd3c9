// Summaries from the newest on: each once and in order, however they lie.
#include "spool/newest_summaries.hpp"

#include <map>
#include <random>

#include "spool/keys.hpp"
#include "spool/store.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

class NewestSummariesTest : public ::testing::Test {
 protected:
  NewestSummariesTest() {
    StoreOptions options;
    options.directory = directory_.path() + "/db";
    options.positions = std::make_shared<TrimPositions>();
    options.create = true;
    auto opened = Store::open(options);
    if (opened) store_ = std::move(*opened);
  }
  void SetUp() override { ASSERT_TRUE(store_); }

  // Of one record, for that many traces.
  void put(Seq seq, std::size_t traces, std::size_t bytes) {
    rocksdb::WriteBatch batch;
    for (std::size_t i = 0; i < traces; ++i) {
      const std::string key = summary_key(seq, trace_of(i));
      const std::string value = text_payload(bytes, static_cast<unsigned>(seq * 1000 + i));
      ASSERT_TRUE(batch.Put(store_->family(Family::traces), key, value).ok());
      all_[key] = value;
    }
    ASSERT_TRUE(store_->db().Write(rocksdb::WriteOptions(), &batch).ok());
  }

  // The first `most` that are told.
  using Told = std::vector<std::pair<std::string, std::string>>;
  Told told_by(NewestSummaries& newest, Seq kept, Seq end, std::size_t most = SIZE_MAX) {
    Told told;
    SummarySource source;
    source.written = std::min(written_, end);
    source.store = [this] { return store_.get(); };
    source.read_tail = [this](Seq from, Seq until, const SummarySource::Add& add) -> Result<bool> {
      for (auto it = all_.lower_bound(log_key(from)); it != all_.end(); ++it) {
        const auto place = parse_summary_key(it->first);
        if (place->seq >= until) break;
        add(*place, it->second);
      }
      return tail_;  // false: some may be missing
    };
    const auto each = newest.each(source, kept, end, [&](const SeqAndTrace& place, std::string_view bytes) {
      told.emplace_back(summary_key(place.seq, place.trace), bytes);
      return told.size() < most;
    });
    EXPECT_EQ(each.has_value(), tail_.has_value());
    return told;
  }
  // The same whether nothing, little or all was kept by the searches before.
  Told told(Seq kept, Seq end, std::size_t most = SIZE_MAX) {
    NewestSummaries first(kRoomy);
    const Told told = told_by(first, kept, end, most);
    for (NewestSummaries* one : {&keeps_none_, &keeps_few_, &keeps_all_}) {
      EXPECT_TRUE(told_by(*one, kept, end, most) == told) << kept << " to " << end;
      EXPECT_LE(one->kept_bytes(), one == &keeps_all_ ? kRoomy : one == &keeps_few_ ? kFew : 0);
    }
    return told;
  }
  std::vector<std::pair<std::string, std::string>> expected(Seq kept, Seq end, std::size_t most = SIZE_MAX) {
    std::vector<std::pair<std::string, std::string>> wanted;
    for (auto it = all_.rbegin(); it != all_.rend() && wanted.size() < most; ++it) {
      const Seq seq = parse_summary_key(it->first)->seq;
      if (seq >= kept && seq < end) wanted.emplace_back(*it);
    }
    return wanted;
  }

  static constexpr std::size_t kRoomy = 64U << 20, kFew = 40U << 10;
  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
  Seq written_ = std::numeric_limits<Seq>::max();
  Result<bool> tail_ = true;
  NewestSummaries keeps_none_{0}, keeps_few_{kFew}, keeps_all_{kRoomy};
  std::map<std::string, std::string> all_;
};

TEST_F(NewestSummariesTest, TellsNothingOfAnEmptyStore) {
  EXPECT_TRUE(told(0, 100).empty());
  // The view's cursor lies among them and is none.
  ASSERT_TRUE(
      store_->db().Put(rocksdb::WriteOptions(), store_->family(Family::traces), view_cursor_key(), "x").ok());
  EXPECT_TRUE(told(0, 100).empty());
  EXPECT_TRUE(told(5, 5).empty());
  EXPECT_TRUE(told(0, 0).empty());
}

TEST_F(NewestSummariesTest, TellsEachOnceWhereRecordsAreManyFewOrFarApart) {
  for (Seq seq = 1; seq <= 3000; ++seq) put(seq, 1, 40);       // many to a stretch
  for (Seq seq = 3001; seq <= 3020; ++seq) put(seq, 30, 900);  // few
  put(3021, 700, 500);                                         // more than one alone
  put(3022, 1, 500);
  put(1ULL << 40, 600, 500);  // after a store that was set aside
  put((1ULL << 40) + 1, 2, 10);
  ASSERT_TRUE(store_->flush());
  for (Seq seq = (1ULL << 40) + 7; seq < (1ULL << 40) + 90; seq += 3) put(seq, 2, 60);  // not in tables yet
  for (const Seq kept : {Seq{0}, Seq{1}, Seq{2999}, Seq{3021}, Seq{3500}})
    for (const Seq end : {Seq{2}, Seq{3000}, Seq{3021}, Seq{3022}, Seq{1} << 40, (Seq{1} << 40) + 1000}) {
      const auto got = told(kept, end);
      EXPECT_TRUE(got == expected(kept, end)) << kept << " to " << end << ": " << got.size();
    }
}

TEST_F(NewestSummariesTest, TellsAsManyAsAreWanted) {
  for (Seq seq = 1; seq <= 500; ++seq) put(seq, 2, 100);
  put(501, 700, 500);
  for (const std::size_t most : {1U, 2U, 699U, 701U, 900U})
    EXPECT_TRUE(told(0, 1000, most) == expected(0, 1000, most)) << most;
}

TEST_F(NewestSummariesTest, TellsWhatCameSinceAndNotWhatWasTrimmed) {
  std::mt19937 random(7);
  const auto up_to = [&random](std::size_t most) { return random() % (most + 1); };
  Seq kept = 1, end = 1;
  written_ = 1;
  for (int round = 0; round < 300; ++round) {
    for (std::size_t records = up_to(20); records > 0; --records)
      put(end++, up_to(3), up_to(10) == 0 ? 2'000 : 80);
    if (up_to(50) == 0) put(end++, 300, 1'000);  // more than a stretch
    if (up_to(20) == 0) end += up_to(5'000);
    if (up_to(10) == 0) kept += up_to(end - kept);
    if (up_to(1) == 0) written_ += up_to(end - written_);  // behind it, they come from the tail
    const std::size_t most = up_to(2) == 0 ? 1 + up_to(50) : SIZE_MAX;
    ASSERT_TRUE(told(kept, end, most) == expected(kept, end, most)) << round;
    if (up_to(60) == 0) keeps_all_.forget();
  }
}

TEST_F(NewestSummariesTest, AFailureOfTheTailIsToldAndNothingIsTakenForKnown) {
  for (Seq seq = 1; seq <= 1'000; ++seq) put(seq, 1, 80);
  written_ = 500;
  tail_ = fail(ErrorKind::io, "not now");
  EXPECT_TRUE(told_by(keeps_all_, 1, 1'001).empty());
  tail_ = true;
  EXPECT_TRUE(told(1, 1'001) == expected(1, 1'001));
}

TEST_F(NewestSummariesTest, WhatMayBeMissingInTheTailIsReadAgain) {
  for (Seq seq = 1; seq <= 1'000; ++seq) put(seq, 1, 80);
  written_ = 500;
  tail_ = false;
  EXPECT_TRUE(told_by(keeps_all_, 1, 1'001) == expected(1, 1'001));
  put(900, 2, 80);  // one more of it
  EXPECT_TRUE(told_by(keeps_all_, 1, 1'001) == expected(1, 1'001));
}

TEST_F(NewestSummariesTest, WhatWasSearchedIsKeptAsLongAsThereAreSearches) {
  for (Seq seq = 1; seq <= 2'000; ++seq) put(seq, 1, 100);
  ASSERT_TRUE(told(1, 2'001) == expected(1, 2'001));
  for (const auto& [key, value] : all_)
    ASSERT_TRUE(store_->db().Delete(rocksdb::WriteOptions(), store_->family(Family::traces), key).ok());
  EXPECT_TRUE(told_by(keeps_all_, 1, 2'001) == expected(1, 2'001)) << "from memory";
  const auto few = told_by(keeps_few_, 1, 2'001);
  EXPECT_GT(few.size(), 100U) << "the newest";
  EXPECT_TRUE(few == expected(1, 2'001, few.size()));
  keeps_all_.forget_unused(std::chrono::hours(1));
  EXPECT_GT(keeps_all_.kept_bytes(), 200'000U);
  keeps_all_.forget_unused(std::chrono::seconds(0));
  EXPECT_EQ(keeps_all_.kept_bytes(), 0U);
  EXPECT_TRUE(told_by(keeps_all_, 1, 2'001).empty());
}

}  // namespace
}  // namespace spanferry::spool
