// A process that dies at any moment: what it acknowledged is there afterwards.
#include <cstring>
#include <set>

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

// Runs in the child: appends without an end, writes the number of each acknowledged record to the pipe.
[[noreturn]] void append_until_killed(const Settings& settings, const Internals& internals, int pipe) {
  auto spool = open_spool(settings, {}, internals);
  if (!spool) ::_exit(2);
  if (!(*spool)->cursor("a", Spool::From::oldest)) ::_exit(3);
  const auto base = static_cast<std::uint32_t>((*spool)->end());
  for (std::uint32_t i = 0;; ++i) {
    const std::uint32_t number = base * 1000 + i;
    std::string payload = text_payload(50 + number * 7919 % 60'000, number);
    std::memcpy(payload.data(), &number, sizeof number);
    std::vector<Entry> entries;
    entries.push_back(entry_of(std::move(payload), {trace_of(number)}, 1));
    (*spool)->append(std::move(entries), [number, pipe](Result<Appended> result) {
      if (result && ::write(pipe, &number, sizeof number) != sizeof number) ::_exit(4);
    });
    if (i % 8 == 7) ::usleep(500);
  }
}

TEST_F(SpoolTest, KeepsEverythingAcknowledgedBeforeAKill) {
  std::set<std::uint32_t> acknowledged;
  for (int round = 0; round < 6; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      append_until_killed(settings, internals, ends[1]);
    }
    ::close(ends[1]);
    std::uint32_t number = 0;
    std::size_t met = 0;
    while (::read(ends[0], &number, sizeof number) == sizeof number) {
      acknowledged.insert(number);
      if (++met == 150U + 90U * static_cast<unsigned>(round)) ::kill(child, SIGKILL);
    }
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
  }
  open();
  std::vector<Gap> gaps;
  std::uint64_t spans = 0;
  for (const auto& record : read_all(1, &gaps)) {
    std::uint32_t number = 0;
    std::memcpy(&number, record.payload->data(), sizeof number);
    EXPECT_EQ(record.payload->substr(4), text_payload(50 + number * 7919 % 60'000, number).substr(4));
    EXPECT_EQ(record.header.spans_before, spans++);
    acknowledged.erase(number);
  }
  EXPECT_TRUE(acknowledged.empty()) << acknowledged.size() << " acknowledged records are gone";
  EXPECT_TRUE(gaps.empty());
  const auto accounting = cursor("a")->accounting();
  EXPECT_EQ(accounting.pending, spans);
  EXPECT_EQ(spool->status().quarantined_records, 0U);
}

}  // namespace
}  // namespace spanferry::spool
