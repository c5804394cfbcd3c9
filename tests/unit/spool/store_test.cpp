// What the spool relies on in RocksDB itself.
#include "spool/store.hpp"

#include "spool/checksum_override.hpp"
#include "spool/keys.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open() {
    auto store = Store::open({.directory = directory.path() + "/db",
                              .positions = positions,
                              .events = events,
                              .env = nullptr,
                              .create = !store_exists(directory.path() + "/db"),
                              .read_only = false,
                              .hold_memtables = false});
    EXPECT_TRUE(store) << store.error().sentence;
    return store ? std::move(*store) : nullptr;
  }
  static void write(Store& store, Seq from, Seq to, std::size_t bytes) {
    for (Seq seq = from; seq < to; ++seq) {
      ASSERT_TRUE(store.db()
                      .Put(rocksdb::WriteOptions(), store.family(Family::log), log_key(seq),
                           text_payload(bytes, static_cast<unsigned>(seq)))
                      .ok());
    }
  }
  static std::uint64_t number(Store& store, const char* property, Family family = Family::log) {
    std::uint64_t n = 0;
    EXPECT_TRUE(store.db().GetIntProperty(store.family(family), property, &n));
    return n;
  }

  TemporaryDirectory directory;
  std::shared_ptr<TrimPositions> positions = std::make_shared<TrimPositions>();
  std::shared_ptr<StoreEvents> events = std::make_shared<StoreEvents>();
};

TEST_F(StoreTest, TakesItsChecksumsByOurFasterFunction) { EXPECT_TRUE(checksum_is_overridden()); }

TEST_F(StoreTest, MovesTheLogsTablesDownWithoutRewritingThem) {
  auto store = open();
  write(*store, 1, 2000, 60'000);
  ASSERT_TRUE(store->flush());
  ASSERT_TRUE(eventually([&] {
    std::string level0;
    store->db().GetProperty(store->family(Family::log), "rocksdb.num-files-at-level0", &level0);
    return level0 == "0";
  }));
  EXPECT_GT(events->flushed_tables, 5U);
  EXPECT_EQ(events->log_compacted_bytes, 0U);
}

TEST_F(StoreTest, LeavesOutOfATableWhatWasTrimmedBeforeItsFlush) {
  auto store = open();
  write(*store, 1, 60, 60'000);
  positions->log = 60;
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(number(*store, "rocksdb.total-sst-files-size"), 0U);
  std::string value;
  EXPECT_TRUE(
      store->db().Get(rocksdb::ReadOptions(), store->family(Family::log), log_key(59), &value).IsNotFound());
}

TEST_F(StoreTest, HoldsHardlyAnyMemoryForTracesOfTheIndexOnDisk) {
  auto store = open();
  constexpr Seq kTraces = 50'000;
  for (Seq seq = 1; seq <= kTraces; ++seq) {
    ASSERT_TRUE(store->db()
                    .Put(rocksdb::WriteOptions(), store->family(Family::index), index_key(trace_of(seq), seq),
                         rocksdb::Slice())
                    .ok());
  }
  ASSERT_TRUE(store->flush());
  const auto bytes = number(*store, "rocksdb.estimate-table-readers-mem", Family::index);
  EXPECT_GT(bytes, 0U);
  EXPECT_LT(bytes, kTraces / 4);
}

TEST_F(StoreTest, DropsMarksOnceTheirCursorHasPassedThem) {
  auto store = open();
  auto* state = store->family(Family::state);
  for (Seq seq = 1; seq <= 10; ++seq) {
    ASSERT_TRUE(store->db().Put(rocksdb::WriteOptions(), state, mark_key("a", seq, trace_of(seq)), "x").ok());
    ASSERT_TRUE(store->db().Put(rocksdb::WriteOptions(), state, mark_key("b", seq, trace_of(seq)), "x").ok());
  }
  positions->set_cursor("a", 8);
  ASSERT_TRUE(store->flush());
  std::map<std::string, int> left;
  const std::unique_ptr<rocksdb::Iterator> it(store->db().NewIterator(rocksdb::ReadOptions(), state));
  for (it->Seek("m/"); it->Valid(); it->Next()) ++left[std::string(parse_mark_key(view(it->key()))->cursor)];
  EXPECT_EQ(left["a"], 3);
  EXPECT_EQ(left["b"], 10);
}

}  // namespace
}  // namespace spanferry::spool
