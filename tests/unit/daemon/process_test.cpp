#include "daemon/process.hpp"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/client.hpp"
#include "daemon/drain.hpp"
#include "daemon/handed_over.hpp"
#include "daemon/log.hpp"

namespace spanferry::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Connections, FollowTheLimitOfOpenFiles) {
  EXPECT_EQ(connections_within(10'000, 1'048'576), 10'000U);
  EXPECT_EQ(connections_within(10'000, 4096), 4096U - 256U);
  EXPECT_EQ(connections_within(10'000, 256), 128U);
  EXPECT_GE(connections_within(10'000, 1), 1U);
}

std::size_t resident_bytes() {
  std::size_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(FreedMemory, GoesBackAlsoFromBetweenWhatLivesOn) {
#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
  GTEST_SKIP() << "another allocator than the one that is told";
#endif
  constexpr std::size_t kBlocks = 1000, kBlockBytes = 64U << 10;
  std::vector<std::string> freed, kept;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    freed.emplace_back(kBlockBytes, 'x');
    kept.emplace_back(100, 'y');
  }
  freed.clear();
  const auto before = resident_bytes();
  return_freed_memory();
  EXPECT_LT(resident_bytes(), before - kBlocks * kBlockBytes / 2);
  EXPECT_EQ(kept.back(), std::string(100, 'y'));
}

TEST(Drain, KeepsTheDoorsOpenUntilSendersWereQuietSinceTheSignal) {
  // Quiet for an hour before the signal counts for nothing: the app was told to stop just now, too.
  EXPECT_FALSE(doors_may_close(seconds(7), milliseconds(100), seconds(3600)));
  EXPECT_FALSE(doors_may_close(seconds(7), seconds(3), milliseconds(1999)));
  EXPECT_TRUE(doors_may_close(seconds(7), seconds(3), seconds(2)));
  EXPECT_TRUE(doors_may_close(seconds(7), seconds(2), seconds(3600)));
}

TEST(Drain, EndsByItsTimeoutWhateverIsSent) {
  EXPECT_FALSE(doors_may_close(seconds(7), milliseconds(6499), milliseconds(0)));
  EXPECT_TRUE(doors_may_close(seconds(7), milliseconds(6500), milliseconds(0)));
  EXPECT_TRUE(doors_may_close(milliseconds(0), milliseconds(0), milliseconds(0)));
}

TEST(Drain, LeavesTimeToDeliver) {
  EXPECT_EQ(time_for_delivery(seconds(7), seconds(2)), seconds(5));
  EXPECT_EQ(time_for_delivery(seconds(7), seconds(9)), milliseconds(500));
  EXPECT_EQ(time_for_delivery(milliseconds(100), milliseconds(200)), milliseconds(100));
  EXPECT_EQ(time_for_requests(seconds(7), seconds(2)), milliseconds(2500));
  EXPECT_GT(time_for_requests(seconds(7), seconds(8)), milliseconds(0));
}

TEST(LogLines, AreOneJsonObjectOrOneLineOfTextInUtc) {
  EXPECT_EQ(log_line_json(1700000000123, "warn",
                          "a \"b\"\n\xc2\x9b"
                          "31m"),
            R"({"time":"2023-11-14T22:13:20.123Z","level":"warn","message":"a \"b\"  31m"})");
  EXPECT_EQ(log_line_text(1700000000007, "info", "hello\nforged line\x1b[2J"),
            "2023-11-14T22:13:20.007Z info  hello forged line [2J");
  EXPECT_EQ(log_line_text(0, "error", std::string(100'000, 'x')).size(), kMaxLogLineBytes + 31);
}

TEST(LogLines, GoToTheJournalAsABareMessageWithItsPriority) {
  using Form = LineStyle::Form;
  using config::LogFormat;
  EXPECT_EQ(line_style(LogFormat::automatic, false, true).form, Form::message);
  EXPECT_TRUE(line_style(LogFormat::automatic, false, true).with_priority);
  EXPECT_EQ(line_style(LogFormat::automatic, false, false).form, Form::json);
  EXPECT_EQ(line_style(LogFormat::automatic, true, false).form, Form::text);
  EXPECT_FALSE(line_style(LogFormat::automatic, true, false).with_priority);
  EXPECT_EQ(line_style(LogFormat::json, false, true).form, Form::json);
  EXPECT_TRUE(line_style(LogFormat::text, false, true).with_priority);
  EXPECT_EQ(priority_prefix("error"), "<3>");
  EXPECT_EQ(priority_prefix("warn"), "<4>");
  EXPECT_EQ(priority_prefix("info"), "<6>");
  EXPECT_EQ(priority_prefix("debug"), "<7>");
  EXPECT_EQ(log_message("a\n<3>forged"), "a <3>forged");
}

TEST(Journal, IsOnlyTheStreamThatTheVariableNames) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  struct stat what{};
  ASSERT_EQ(fstat(ends[1], &what), 0);
  const auto name = std::to_string(what.st_dev) + ":" + std::to_string(what.st_ino);
  EXPECT_TRUE(is_journal(name, ends[1]));
  EXPECT_FALSE(is_journal(name + "0", ends[1]));
  EXPECT_FALSE(is_journal("", ends[1]));
  close(ends[0]);
  close(ends[1]);
}

TEST(HandedSockets, GoToTheDoorOfTheirName) {
  const auto sockets = sort_by_name({"http", "udp", "http"}, 3);
  ASSERT_TRUE(sockets);
  EXPECT_EQ(sockets->http, (std::vector{3, 5}));
  EXPECT_EQ(sockets->udp, (std::vector{4}));
}

TEST(HandedSockets, AnotherNameIsRefusedWithWhatToWrite) {
  const auto sockets = sort_by_name({"http", "spanferry.socket"}, 3);
  ASSERT_FALSE(sockets);
  EXPECT_EQ(sockets.error().kind, ErrorKind::configuration);
  EXPECT_NE(sockets.error().sentence.find("FileDescriptorName=http"), std::string::npos);
}

TEST(Client, ConnectsWhereAWildcardListens) {
  EXPECT_EQ(reachable("0.0.0.0:4318"), "127.0.0.1:4318");
  EXPECT_EQ(reachable("[::]:4318"), "[::1]:4318");
  EXPECT_EQ(reachable("10.0.0.1:80"), "10.0.0.1:80");
  EXPECT_EQ(percent_encode("a/b c?é"), "a%2Fb%20c%3F%C3%A9");
}

TEST(Client, SaysWhatToTryWhenNobodyAnswers) {
  // Port 1 of loopback: nobody listens there.
  const auto answer = get({.http = "127.0.0.1:1", .udp = {}, .token_file = {}}, "/livez");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
  EXPECT_NE(answer.error().sentence.find("127.0.0.1:1"), std::string::npos);
  EXPECT_NE(answer.error().sentence.find("spanferry run"), std::string::npos);
}

}  // namespace
}  // namespace spanferry::daemon
