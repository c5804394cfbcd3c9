// Our reader of RocksDB's log: against its own writer bit by bit, and against RocksDB's logs in a spool.
#include "spool/wal_check.hpp"

#include <fstream>

#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

std::string joined(const WalRecord& record) {
  std::string whole;
  for (const auto part : record) whole.append(part);
  return whole;
}

std::string wal_of(const std::vector<std::string>& records) {
  std::vector<WalRecord> list;
  for (const auto& record : records) list.push_back({record});
  return write_wal(list);
}

TEST(WalCheck, ReadsBackWhatItWrites) {
  std::vector<std::string> records;
  for (unsigned i = 0; i < 40; ++i) records.push_back(text_payload(i * i * 97, i));
  const std::string file = wal_of(records);
  const WalScan scan = scan_wal(file);
  ASSERT_EQ(scan.good.size(), records.size());
  for (std::size_t i = 0; i < records.size(); ++i) EXPECT_EQ(joined(scan.good[i]), records[i]);
  EXPECT_EQ(scan.damaged, 0U);
  EXPECT_FALSE(scan.torn_tail);
}

TEST(WalCheck, LosesExactlyTheRecordABitWasFlippedIn) {
  for (const std::size_t size : {300U, 1100U, 20'000U, 105'000U}) {
    std::vector<std::string> records;
    for (unsigned i = 0; i < 12; ++i) records.push_back(text_payload(size, i));
    const std::string sound = wal_of(records);
    const std::size_t last_begins = sound.size() - size - 100;
    for (std::size_t at = 3; at < last_begins; at += last_begins / 97 + 1) {
      std::string file = sound;
      file[at] = static_cast<char>(file[at] ^ (1 << at % 8));
      const WalScan scan = scan_wal(file);
      ASSERT_GE(scan.good.size(), records.size() - 1) << "size " << size << ", byte " << at;
      if (scan.good.size() == records.size()) continue;  // in the padding of a block
      EXPECT_EQ(scan.damaged, 1U) << "size " << size << ", byte " << at;
    }
  }
}

TEST(WalCheck, TakesALogCutAnywhereForATornWrite) {
  std::vector<std::string> records{text_payload(100, 1), text_payload(40'000, 2), text_payload(10, 3)};
  const std::string file = wal_of(records);
  for (std::size_t n = 0; n < file.size(); n += 41) {
    const WalScan scan = scan_wal(std::string_view(file).substr(0, n));
    EXPECT_EQ(scan.damaged, 0U) << n;
    EXPECT_FALSE(scan.failing_tail) << n;
  }
}

TEST(WalCheck, TakesZerosAtTheEndForATornWrite) {
  std::string file = wal_of({text_payload(100, 1)});
  file.append(100'000, '\0');
  const WalScan scan = scan_wal(file);
  EXPECT_EQ(scan.good.size(), 1U);
  EXPECT_EQ(scan.damaged, 0U);
  EXPECT_FALSE(scan.failing_tail);
}

class WalDamage : public SpoolTest {
 protected:
  std::filesystem::path largest_wal() {
    std::filesystem::path largest;
    for (const auto& file : std::filesystem::directory_iterator(directory.path() + "/db")) {
      if (file.path().extension() != ".log") continue;
      if (largest.empty() || file.file_size() > std::filesystem::file_size(largest)) largest = file.path();
    }
    return largest;
  }
  static void flip(const std::filesystem::path& path, std::size_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char was = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(was ^ 0x10));
  }
};

TEST_F(WalDamage, CostsOnlyTheRecordsItHit) {
  internals.flush_at_close = false;
  for (const std::size_t size : {1'100U, 20'000U, 105'000U}) {
    std::filesystem::remove_all(directory.path());
    open();
    cursor("a");
    for (unsigned i = 0; i < 40; ++i)
      ASSERT_TRUE(append(*spool, entry_of(text_payload(size, i), {trace_of(i)}, 2)));
    spool.reset();
    flip(largest_wal(), 20 * size + 300);
    open();
    std::vector<Gap> gaps;
    const auto records = read_all(1, &gaps);
    EXPECT_EQ(records.size(), 39U) << size;
    ASSERT_EQ(gaps.size(), 1U) << size;
    EXPECT_EQ(gaps[0].records, 1U);
    EXPECT_EQ(gaps[0].spans, 2U);
    EXPECT_EQ(spool->status().quarantined_records, 1U);
    EXPECT_EQ(spool->status().lost_spans, 2U);
    EXPECT_FALSE(std::filesystem::is_empty(directory.path() + "/quarantine"));
    auto* c = cursor("a");
    c->settle(gaps[0]);
    EXPECT_EQ(c->accounting().settled[Outcome::lost], 2U);
    EXPECT_EQ(c->accounting().pending, 78U);
    spool.reset();
  }
}

TEST_F(WalDamage, DoesNotKeepASpoolFromStartingEvenWhenTheStoreIsBeyondOpening) {
  open();
  auto* c = cursor("a");
  for (unsigned i = 0; i < 5; ++i) ASSERT_TRUE(append(*spool, entry_of(text_payload(100, i), {}, 3)));
  spool.reset();
  for (const auto& file : std::filesystem::directory_iterator(directory.path() + "/db")) {
    if (file.path().filename().string().starts_with("MANIFEST"))
      std::filesystem::resize_file(file.path(), 20);
  }
  open();
  EXPECT_GT(spool->end(), 1ULL << 40);
  c = cursor("a");
  EXPECT_EQ(c->position(), spool->end());
  EXPECT_EQ(c->accounting().settled[Outcome::lost], 15U);
  ASSERT_TRUE(append(*spool, entry_of("fresh", {}, 1)));
  EXPECT_EQ(c->accounting().pending, 1U);
  EXPECT_EQ(c->accounting().accepted, 16U);
  EXPECT_EQ(read_all(c->position()).size(), 1U);
  bool kept = false;
  for (const auto& file : std::filesystem::directory_iterator(directory.path())) {
    kept = kept || file.path().filename().string().starts_with("damaged-");
  }
  EXPECT_TRUE(kept);
}

}  // namespace
}  // namespace spanferry::spool
