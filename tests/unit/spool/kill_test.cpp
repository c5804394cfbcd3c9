// A process that dies at any moment: what it acknowledged is there afterwards.
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <set>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

// The child is this program anew: threads do not survive a fork.
constexpr const char* kDirectory = "SPANFERRY_TEST_DIRECTORY";
constexpr const char* kPipe = "SPANFERRY_TEST_PIPE";

// Appends without an end, writes the number of each acknowledged record to the pipe.
class KilledProcess : public SpoolTest {};
TEST_F(KilledProcess, DISABLED_AppendsUntilItIsKilled) {
  const char* where = std::getenv(kDirectory);
  const char* pipe_text = std::getenv(kPipe);
  if (where == nullptr || pipe_text == nullptr) GTEST_SKIP() << "started by the test of kills alone";
  const int pipe = std::atoi(pipe_text);
  settings.directory = where;
  open();
  cursor("a");
  const auto base = static_cast<std::uint32_t>(spool->end());
  std::atomic<unsigned> waiting{0};
  for (std::uint32_t i = 0;; ++i) {
    while (waiting > 64) ::usleep(100);  // a slow disk must not let unacknowledged records fill the spool
    const std::uint32_t number = base * 1000 + i;
    std::string payload = text_payload(50 + number * 7919 % 60'000, number);
    std::memcpy(payload.data(), &number, sizeof number);
    std::vector<Entry> entries;
    entries.push_back(entry_of(std::move(payload), {trace_of(number)}, 1));
    ++waiting;
    spool->append(std::move(entries), [&waiting, number, pipe](Result<Appended> result) {
      --waiting;
      if (result && ::write(pipe, &number, sizeof number) != sizeof number) ::_exit(4);
    });
    if (i % 8 == 7) ::usleep(500);  // a pace, so that groups differ in size
  }
}

pid_t start_process(const std::string& directory, const int (&ends)[2]) {
  const int pipe = ends[1];
  const std::string directory_variable = std::string(kDirectory) + "=" + directory;
  const std::string pipe_variable = std::string(kPipe) + "=" + std::to_string(pipe);
  std::array<char*, 4> arguments{const_cast<char*>("test_spool"),
                                 const_cast<char*>("--gtest_filter=KilledProcess.*"),
                                 const_cast<char*>("--gtest_also_run_disabled_tests"), nullptr};
  std::vector<char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
  environment.push_back(const_cast<char*>(directory_variable.c_str()));
  environment.push_back(const_cast<char*>(pipe_variable.c_str()));
  environment.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing is left running when the test is killed
    ::execve("/proc/self/exe", arguments.data(), environment.data());
    ::_exit(5);
  }
  return child;
}

TEST_F(SpoolTest, KeepsEverythingAcknowledgedBeforeAKill) {
  std::set<std::uint32_t> acknowledged;
  for (int round = 0; round < 6; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = start_process(directory.path(), ends);
    ASSERT_GE(child, 0);
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
