// The spool's promises on a healthy disk.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

TEST_F(SpoolTest, KeepsEverythingAcknowledgedAcrossAReopening) {
  open();
  for (unsigned i = 0; i < 100; ++i) {
    const auto appended = append(*spool, entry_of(text_payload(100 + i * 200, i), {trace_of(i)}, i));
    ASSERT_TRUE(appended);
    EXPECT_EQ(appended->first, i + 1);
  }
  open();
  const auto records = read_all(1);
  ASSERT_EQ(records.size(), 100U);
  std::uint64_t spans = 0;
  for (unsigned i = 0; i < 100; ++i) {
    EXPECT_EQ(records[i].seq, i + 1);
    EXPECT_EQ(*records[i].payload, text_payload(100 + i * 200, i));
    EXPECT_EQ(records[i].header.records_before, i);
    EXPECT_EQ(records[i].header.spans_before, spans);
    spans += i;
  }
  EXPECT_EQ(spool->status().appended_spans, spans);
  ASSERT_TRUE(append(*spool, entry_of("next", {}, 1)));
  EXPECT_EQ(spool->status().last_seq, 101U);
}

TEST_F(SpoolTest, KeepsEverythingAcknowledgedWhenNothingIsFlushed) {
  internals.flush_at_close = false;
  open();
  for (unsigned i = 0; i < 50; ++i)
    ASSERT_TRUE(append(*spool, entry_of(text_payload(30'000, i), {trace_of(i)}, 1)));
  open();
  EXPECT_EQ(read_all(1).size(), 50U);
  EXPECT_EQ(spool->status().quarantined_records, 0U);
}

TEST_F(SpoolTest, GivesAnAppendOfManyEntriesOnePlace) {
  open();
  std::vector<Entry> entries;
  for (unsigned i = 0; i < 3; ++i) entries.push_back(entry_of(text_payload(50'000, i), {trace_of(7)}, 2));
  std::promise<Result<Appended>> done;
  spool->append(std::move(entries), [&done](Result<Appended> result) { done.set_value(std::move(result)); });
  const auto place = done.get_future().get();
  ASSERT_TRUE(place);
  EXPECT_EQ(place->first, 1U);
  EXPECT_EQ(place->last, 3U);
  const auto seqs = spool->records_of(trace_of(7));
  ASSERT_TRUE(seqs);
  EXPECT_EQ(*seqs, (std::vector<Seq>{1, 2, 3}));
}

TEST_F(SpoolTest, ReadsFromDiskWhatMemoryNoLongerHolds) {
  open();
  std::vector<std::future<Result<Appended>>> waiting;
  for (unsigned i = 0; i < 400; ++i)
    waiting.push_back(append_later(*spool, entry_of(text_payload(100'000, i), {}, 1)));
  for (auto& one : waiting) ASSERT_TRUE(one.get());
  std::vector<Gap> gaps;
  const auto records = read_all(1, &gaps);
  ASSERT_EQ(records.size(), 400U);
  EXPECT_TRUE(gaps.empty());
  for (unsigned i = 0; i < 400; ++i) EXPECT_EQ(*records[i].payload, text_payload(100'000, i));
  EXPECT_EQ(*(*spool->get(1))->payload, text_payload(100'000, 0));
}

TEST_F(SpoolTest, StopsAReadAtItsBounds) {
  open();
  for (unsigned i = 0; i < 10; ++i) ASSERT_TRUE(append(*spool, entry_of(text_payload(1000, i), {}, 1)));
  EXPECT_EQ(spool->read(1, 3500, 100)->records.size(), 3U);
  EXPECT_EQ(spool->read(1, 1, 100)->records.size(), 1U);
  EXPECT_EQ(spool->read(1, 1U << 20, 4)->records.size(), 4U);
  EXPECT_EQ(spool->read(9, 1U << 20, 4)->records.size(), 2U);
  EXPECT_TRUE(spool->read(11, 1U << 20, 4)->records.empty());
}

TEST_F(SpoolTest, TellsSubscribersAfterRecordsAreVisible) {
  open();
  std::atomic<int> told{0};
  std::atomic<Seq> seen{0};
  auto subscription = spool->subscribe([&] {
    seen = spool->end();
    ++told;
  });
  ASSERT_TRUE(append(*spool, entry_of("a", {}, 1)));
  ASSERT_TRUE(eventually([&] { return told == 1; }));
  EXPECT_EQ(seen, 2U);
  subscription.reset();
  ASSERT_TRUE(append(*spool, entry_of("b", {}, 1)));
  ASSERT_TRUE(append(*spool, entry_of("c", {}, 1)));
  EXPECT_EQ(told, 1);
}

TEST_F(SpoolTest, SeesPutsAtOnceAndKeepsThem) {
  open();
  spool->put("a", "1");
  EXPECT_EQ(*spool->load("a"), "1");
  put_and_wait(*spool, "b", "2");
  spool->put("c", "3");
  spool->erase("a");
  EXPECT_FALSE(spool->load("a")->has_value());
  open();
  EXPECT_FALSE(spool->load("a")->has_value());
  EXPECT_EQ(*spool->load("b"), "2");
  EXPECT_EQ(*spool->load("c"), "3");
}

TEST_F(SpoolTest, RefusesValuesThatAreTooLarge) {
  open();
  std::promise<Result<>> done;
  spool->put("k", std::string(5000, 'x'), [&done](Result<> result) { done.set_value(std::move(result)); });
  EXPECT_EQ(done.get_future().get().error().kind, ErrorKind::too_large);
}

TEST_F(SpoolTest, KeepsItsFilesToItself) {
  open();
  ASSERT_TRUE(append(*spool, entry_of("a", {}, 1)));
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory.path())) {
    struct stat info{};
    ASSERT_EQ(::lstat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0077U, 0U) << file.path();
  }
}

TEST_F(SpoolTest, RefusesASymbolicLinkAsItsDirectory) {
  const TemporaryDirectory elsewhere;
  settings.directory = elsewhere.path() + "/link";
  std::filesystem::create_directory_symlink(directory.path(), settings.directory);
  const auto opened = open_spool(settings, {}, internals);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::configuration);
}

TEST_F(SpoolTest, MakesASecondOpenerWaitAndThenSaysWhoHoldsIt) {
  open();
  settings.lock_wait = std::chrono::seconds(1);
  int told = 0;
  const auto second = open_spool(settings, [&told](std::string_view) { ++told; }, internals);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::unavailable);
  EXPECT_NE(second.error().sentence.find(std::to_string(::getpid())), std::string::npos)
      << second.error().sentence;
  EXPECT_EQ(told, 1);
}

TEST_F(SpoolTest, LetsASecondOpenerInOnceTheFirstHasLeft) {
  open();
  ASSERT_TRUE(append(*spool, entry_of("a", {}, 1)));
  settings.lock_wait = std::chrono::seconds(20);
  std::thread leaves;
  auto second = open_spool(
      settings, [&](std::string_view) { leaves = std::thread([this] { spool.reset(); }); }, internals);
  if (leaves.joinable()) leaves.join();
  ASSERT_TRUE(second) << second.error().sentence;
  EXPECT_EQ((*second)->end(), 2U);
}

}  // namespace
}  // namespace spanferry::spool
