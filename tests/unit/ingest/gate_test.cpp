// The rules that depend on where the peer is, which a test on one machine cannot be.
#include "ingest/gate.hpp"

#include <gtest/gtest.h>

namespace spanferry::ingest {
namespace {

Head from_elsewhere(std::string_view path) {
  Head head;
  head.method = "GET";
  head.path = path;
  head.peer_is_loopback = false;
  return head;
}

TEST(Gate, WithoutATokenAPeerFromElsewhereGetsSpansAndHealthAlone) {
  const Settings settings;
  const Gate gate(settings, nullptr);
  EXPECT_FALSE(gate.check_caller(from_elsewhere("/v1/traces"), Door::spans));
  EXPECT_FALSE(gate.check_caller(from_elsewhere("/livez"), Door::health));
  const auto refused = gate.check_caller(from_elsewhere("/api/spanferry/v1/traces"), Door::rest);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 403);
  EXPECT_NE(refused->body.find("listen.token_file"), std::string::npos);
  EXPECT_TRUE(refused->body.starts_with(R"({"error_code":"PERMISSION_DENIED")"));
}

TEST(Gate, KnowsTheNameInAHostHeader) {
  EXPECT_EQ(host_name("localhost:80"), "localhost");
  EXPECT_EQ(host_name("[::1]:80"), "::1");
  EXPECT_EQ(host_name("[::1]"), "::1");
  EXPECT_FALSE(host_name("[::1"));
  EXPECT_FALSE(host_name("[::1]x"));
  EXPECT_FALSE(host_name("a:b"));
  EXPECT_FALSE(host_name(""));
}

TEST(Token, IsTheSameOnlyWhenAllOfItIs) {
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abc", "abd"));
  EXPECT_FALSE(same_secret("abc", "ab"));
  EXPECT_FALSE(same_secret("abc", "abcabc"));
  EXPECT_FALSE(same_secret("abc", ""));
}

}  // namespace
}  // namespace spanferry::ingest
