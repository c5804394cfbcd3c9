#include "daemon/process.hpp"

#include <gtest/gtest.h>

#include "daemon/client.hpp"
#include "daemon/drain.hpp"
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
  EXPECT_EQ(log_line_json(1700000000123, "warn", "a \"b\"\n"),
            R"({"time":"2023-11-14T22:13:20.123Z","level":"warn","message":"a \"b\"\n"})");
  EXPECT_EQ(log_line_text(1700000000007, "info", "hello\nforged line\x1b[2J"),
            "2023-11-14T22:13:20.007Z info  hello forged line [2J");
  EXPECT_EQ(log_line_text(0, "error", std::string(100'000, 'x')).size(), kMaxLogLineBytes + 31);
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
