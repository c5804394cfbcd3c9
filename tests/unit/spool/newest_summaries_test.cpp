// Summaries from the newest on: each once and in order, however they lie.
#include "spool/newest_summaries.hpp"

#include <map>

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
  std::vector<std::pair<std::string, std::string>> told(Seq kept, Seq end, std::size_t most = SIZE_MAX) {
    std::vector<std::pair<std::string, std::string>> told;
    each_newest_first(*store_, kept, end, [&](const SeqAndTrace& place, std::string_view bytes) {
      told.emplace_back(summary_key(place.seq, place.trace), bytes);
      return told.size() < most;
    });
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

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
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

}  // namespace
}  // namespace spanferry::spool
