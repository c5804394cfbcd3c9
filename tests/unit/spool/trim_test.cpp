// What nobody needs goes, and what does not fit is refused.
#include <filesystem>

#include <sys/mount.h>
#include <unistd.h>

#include "spool/directory.hpp"
#include "spool/limits.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

// A mount that ends with the test, however it ends.
class Unmounts {
 public:
  explicit Unmounts(std::string path) : path_(std::move(path)) {}
  Unmounts(const Unmounts&) = delete;
  Unmounts& operator=(const Unmounts&) = delete;
  ~Unmounts() { ::umount2(path_.c_str(), MNT_DETACH); }

 private:
  std::string path_;
};

class TrimTest : public SpoolTest {
 protected:
  static constexpr std::size_t kPayload = 100'000;

  // Appends until the spool says no, at most `limit` records; how many were taken.
  unsigned fill(unsigned limit) {
    unsigned taken = 0;
    for (; taken < limit; ++taken) {
      last_error = append(*spool, entry_of(text_payload(kPayload, taken), {trace_of(taken)}, 1));
      if (!last_error) break;
    }
    return taken;
  }
  // Appends them all, however often the files that a flush leaves behind fill the budget meanwhile.
  void fill_patiently(unsigned count) {
    unsigned taken = 0;
    while (taken < count) {
      taken += fill(count - taken);
      ASSERT_TRUE(eventually([&] { return spool->accepting(); }));
    }
  }
  void settle_up_to(Cursor& cursor, Seq end) {
    std::vector<Settled> settled;
    for (Seq seq = cursor.position(); seq < end; ++seq) {
      settled.push_back({seq, 1, 1, std::nullopt, SpanCounts::of(Outcome::delivered, 1), {}});
    }
    cursor.settle(std::move(settled));
  }
  [[nodiscard]] std::uint64_t on_disk() const { return disk_usage(directory.path() + "/db"); }
  // Of it, what is out of the write-ahead log.
  [[nodiscard]] std::uint64_t in_tables() const {
    std::uint64_t total = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory.path() + "/db")) {
      std::error_code gone;
      const auto bytes = file.path().extension() == ".sst" ? file.file_size(gone) : 0;
      if (!gone) total += bytes;
    }
    return total;
  }

  Result<Appended> last_error;
};

TEST_F(TrimTest, FreesTheDiskBehindTheSlowestCursor) {
  open();
  auto* fast = cursor("fast");
  auto* slow = cursor("slow");
  fill_patiently(600);
  ASSERT_EQ(spool->end(), 601U);
  settle_up_to(*fast, spool->end());
  ASSERT_TRUE(eventually([&] { return on_disk() > 30U << 20 && in_tables() > 16U << 20; }));
  EXPECT_EQ(spool->first(), 1U);
  settle_up_to(*slow, 500);
  ASSERT_TRUE(eventually([&] { return spool->first() == 500; }));
  EXPECT_EQ(read_all(1).size(), 101U);
  settle_up_to(*slow, spool->end());
  // A write-ahead log that holds anything stays until it is full, beside the next one, which takes its size
  // at once; so does the manifest, with its 4 MiB.
  constexpr std::uint64_t kLogsAndManifest = 2 * kWalBytes + (4U << 20);
  ASSERT_TRUE(eventually([&] {
    return spool->first() == 601 && in_tables() < 1U << 20 && on_disk() < kLogsAndManifest + (1U << 20);
  })) << in_tables()
      << " in tables of " << on_disk();
  EXPECT_FALSE(spool->get(600)->has_value());
  EXPECT_TRUE(spool->records_of(trace_of(3))->empty());
}

TEST_F(TrimTest, GoesOnCountingWhereAFullyTrimmedLogEnded) {
  internals.flush_at_close = false;
  open();
  auto* c = cursor("a");
  ASSERT_EQ(fill(200), 200U);
  settle_up_to(*c, spool->end());
  ASSERT_TRUE(eventually([&] { return spool->first() == 201; }));
  for (int i = 0; i < 2; ++i) {
    open();
    EXPECT_EQ(spool->end(), 201U);
    EXPECT_EQ(spool->status().appended_spans, 200U);
    EXPECT_TRUE(read_all(1).empty());
    EXPECT_EQ(cursor("a")->accounting().settled[Outcome::delivered], 200U);
  }
}

TEST_F(TrimTest, RefusesWhenFullAndResumesByItself) {
  open();
  auto* c = cursor("a");
  const unsigned taken = fill(5000);
  ASSERT_LT(taken, 3000U);
  EXPECT_EQ(last_error.error().kind, ErrorKind::full);
  EXPECT_NE(last_error.error().sentence.find("max_bytes 96 MiB"), std::string::npos)
      << last_error.error().sentence;
  EXPECT_FALSE(spool->accepting());
  EXPECT_EQ(spool->status().not_accepting_reason, "max_bytes");
  EXPECT_EQ(read_all(1).size(), taken);
  settle_up_to(*c, spool->end());
  ASSERT_TRUE(eventually([&] { return spool->accepting(); }));
  EXPECT_EQ(fill(10), 10U);
  EXPECT_EQ(c->accounting().pending, 10U);
}

TEST_F(TrimTest, DropsTheOldestWhereThatIsWanted) {
  settings.when_full = WhenFull::drop_oldest;
  open();
  auto* c = cursor("a");
  fill_patiently(2000);
  const auto accounting = c->accounting();
  EXPECT_GT(accounting.settled[Outcome::dropped], 500U);
  EXPECT_EQ(accounting.accepted, 2000U);
  EXPECT_EQ(accounting.settled.total() + accounting.pending, 2000U);
  EXPECT_EQ(read_all(c->position()).size(), accounting.pending);
  EXPECT_LT(disk_usage(directory.path()), 130U << 20);
}

TEST_F(TrimTest, KeepsWhatIsRetainedWhenThereIsOnlyTheLocalView) {
  settings.local_only = true;
  settings.retain_bytes = 10U << 20;
  open();
  auto* c = cursor("local");
  ASSERT_EQ(fill(600), 600U);
  settle_up_to(*c, spool->end());
  ASSERT_TRUE(eventually([&] { return spool->first() > 300; })) << spool->first();
  EXPECT_LT(spool->first(), 595U);
  // It may still be on its way: what is read is what was there at that moment.
  EXPECT_TRUE(eventually([&] {
    const Seq first = spool->first();
    return read_all(1).size() == 601 - first;
  }));
}

TEST_F(TrimTest, SurvivesAFullFilesystemWithoutLosingWhatItAcknowledged) {
  if (::geteuid() != 0 ||
      ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=100m,mode=0700") != 0) {
    GTEST_SKIP() << "a tmpfs of limited size can only be mounted by root";
  }
  const Unmounts at_the_end(directory.path());
  open();
  auto* c = cursor("a");
  const unsigned taken = fill(5000);
  EXPECT_LT(taken, 5000U);
  EXPECT_TRUE(last_error.error().kind == ErrorKind::full || last_error.error().kind == ErrorKind::unavailable)
      << last_error.error().sentence;
  std::vector<Gap> gaps;
  const auto records = read_all(1, &gaps);
  EXPECT_GE(records.size(), taken);
  EXPECT_TRUE(gaps.empty());
  settle_up_to(*c, spool->end());
  ASSERT_TRUE(eventually([&] { return spool->accepting() && fill(1) == 1; }));
  EXPECT_EQ(c->accounting().pending, spool->end() - c->position());
  spool.reset();
  open();
  EXPECT_EQ(cursor("a")->accounting().accepted, spool->status().appended_spans);
  spool.reset();
}

TEST_F(TrimTest, AReaderThatIsNotWaitedForIsGivenUpWhatIsTooFarBack) {
  open();
  auto* first = cursor("first");
  auto* second = cursor("second");
  second->limit_lag(8U << 20);
  ASSERT_EQ(fill(400), 400U);  // 40 MB, about 24 as they are stored
  settle_up_to(*first, spool->end());
  ASSERT_TRUE(eventually([&] { return second->position() > 200; })) << second->position();
  EXPECT_LE(second->position(), 330U) << "not more than had to go";
  ASSERT_TRUE(eventually([&] { return spool->first() > 200; }));
  const auto a = second->accounting();
  EXPECT_EQ(a.settled[Outcome::dropped], second->position() - 1);
  EXPECT_EQ(a.accepted, a.settled.total() + a.pending);
  EXPECT_EQ(first->accounting().settled[Outcome::dropped], 0U);
}

TEST_F(TrimTest, AReaderThatIsNotWaitedForDoesNotKeepTheSpoolFull) {
  open();
  auto* first = cursor("first");
  auto* second = cursor("second");
  second->limit_lag(1U << 30);
  EXPECT_LT(fill(3000), 3000U);
  EXPECT_EQ(second->accounting().settled[Outcome::dropped], 0U) << "the first one needs it all";
  // The files that a flush leaves behind may have filled it too early: it has to be full of the second's
  // backlog.
  ASSERT_TRUE(eventually([&] {
    fill(20);
    settle_up_to(*first, spool->end());
    return second->accounting().settled[Outcome::dropped] > 0;
  }));
  EXPECT_TRUE(eventually([&] { return spool->accepting() && fill(1) == 1; }));
}

}  // namespace
}  // namespace spanferry::spool
