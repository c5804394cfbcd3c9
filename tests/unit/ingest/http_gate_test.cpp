#include <cstdio>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "ingest/token.hpp"
#include "model/ids.hpp"
#include "tests/unit/ingest/doors.hpp"

namespace spanferry::test {
namespace {

using ingest::Audience;
using ingest::Endpoint;

std::vector<Endpoint> two_endpoints() {
  const auto answer = [](const ingest::Request&, std::move_only_function<void(ingest::Response)> reply) {
    reply({200, "text/plain", "here", {}});
  };
  return {{"GET", "/livez", Audience::everyone, answer},
          {"GET", "/api/spanferry/v1/status", Audience::loopback, answer}};
}

std::string get(std::string_view path, std::string_view headers) {
  return "GET " + std::string(path) + " HTTP/1.1\r\n" + std::string(headers) + "\r\n";
}

class HttpGate : public Doors {
 protected:
  int status_with(std::string_view headers) { return ask(get("/livez", headers)).status; }
};

TEST_F(HttpGate, LetsInLoopbackNamesAndAddressesAndAllowedHosts) {
  settings.allowed_hosts = {"collector.internal"};
  open(two_endpoints());
  for (const char* host : {"localhost", "localhost:4318", "LOCALHOST", "app.localhost:1", "127.0.0.1:4318",
                           "[::1]:4318", "10.0.0.7", "Collector.Internal:4318"}) {
    EXPECT_EQ(status_with("Host: " + std::string(host) + "\r\n"), 200) << host;
  }
  for (const char* host :
       {"evil.example", "localhost.evil.example", "evil.example:4318", "127.0.0.1.evil.example"}) {
    EXPECT_EQ(status_with("Host: " + std::string(host) + "\r\n"), 403) << host;
  }
  EXPECT_EQ(status_with(""), 400) << "HTTP/1.1 has a Host";
  EXPECT_EQ(status_with("Host: [::1\r\n"), 400);
  EXPECT_EQ(rejected("forbidden"), 4U);
}

TEST_F(HttpGate, WithAllowRemoteAnyHostIsFineButNotForBrowsers) {
  settings.allow_remote = true;
  open(two_endpoints());
  EXPECT_EQ(status_with("Host: sidecar.default.svc\r\n"), 200);
  EXPECT_EQ(status_with("Host: sidecar.default.svc\r\nOrigin: http://sidecar.default.svc\r\n"), 403);
  EXPECT_EQ(status_with("Host: sidecar.default.svc\r\nSec-Fetch-Site: same-origin\r\n"), 403);
}

TEST_F(HttpGate, RefusesPagesOfOtherOrigins) {
  settings.allowed_hosts = {"spans.internal"};
  open(two_endpoints());
  EXPECT_EQ(status_with("Host: localhost:4318\r\nOrigin: http://localhost:4318\r\n"), 200);
  EXPECT_EQ(status_with("Host: localhost:4318\r\nOrigin: http://evil.example\r\n"), 403);
  EXPECT_EQ(status_with("Host: localhost:4318\r\nOrigin: null\r\n"), 403);
  EXPECT_EQ(status_with("Host: localhost\r\nOrigin: https://localhost\r\n"), 403) << "another port";
  EXPECT_EQ(status_with("Host: 10.0.0.7\r\nOrigin: https://10.0.0.7\r\n"), 403);
  EXPECT_EQ(status_with("Host: spans.internal\r\nOrigin: https://spans.internal\r\n"), 200)
      << "TLS by a proxy";
  EXPECT_EQ(ask(post("", "Sec-Fetch-Site: cross-site\r\n")).status, 403);
}

TEST_F(HttpGate, RefusesWhatAPageOfAnotherSiteMakesABrowserFetch) {
  open(two_endpoints());
  const auto status = [&](std::string_view path, std::string_view fetch) {
    return ask(get(path, "Host: localhost\r\n" + std::string(fetch))).status;
  };
  for (const char* site : {"cross-site", "same-site"}) {
    const std::string from = "Sec-Fetch-Site: " + std::string(site) + "\r\n";
    EXPECT_EQ(status("/livez", from + "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n"), 403) << site;
    EXPECT_EQ(status("/livez", from + "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"), 403) << site;
    EXPECT_EQ(status("/livez", from + "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"), 200)
        << "a link that somebody followed";
    EXPECT_EQ(
        status("/api/spanferry/v1/status", from + "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"),
        403);
  }
  EXPECT_EQ(status("/api/spanferry/v1/status", "Sec-Fetch-Site: same-origin\r\n"), 200);
  EXPECT_EQ(status("/api/spanferry/v1/status", "Sec-Fetch-Site: none\r\n"), 200);
}

TEST_F(HttpGate, TheHostOfAnAbsoluteTargetCounts) {
  open(two_endpoints());
  const auto status = [&](std::string_view target, std::string_view host) {
    return ask("GET " + std::string(target) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").status;
  };
  EXPECT_EQ(status("http://localhost:4318/livez", "localhost:4318"), 200);
  EXPECT_EQ(status("HTTP://127.0.0.1/livez?x", "other.example"), 200);
  EXPECT_EQ(status("http://evil.example/livez", "localhost"), 403);
  EXPECT_EQ(status("https://localhost@evil.example/livez", "localhost"), 403);
  EXPECT_EQ(status("http:///livez", "localhost"), 400);
  EXPECT_EQ(status("livez", "localhost"), 400);
}

TEST_F(HttpGate, WhoComesThroughAProxyIsNotOnThisHost) {
  open(two_endpoints());
  for (const char* header : {"X-Forwarded-For: 10.0.0.9", "Forwarded: for=10.0.0.9", "Via: 1.1 proxy"}) {
    const std::string headers = "Host: localhost\r\n" + std::string(header) + "\r\n";
    EXPECT_EQ(ask(get("/api/spanferry/v1/status", headers)).status, 403) << header;
    EXPECT_EQ(ask(get("/api/unknown", headers)).status, 403) << header;
    EXPECT_EQ(ask(get("/livez", headers)).status, 200) << header;
    EXPECT_EQ(ask(post("", std::string(header) + "\r\n")).status, 200) << header;
  }
}

TEST_F(HttpGate, AnswersOfEndpointsAreForTheirCallerAlone) {
  open(two_endpoints());
  const RawAnswer answer = ask(get("/api/spanferry/v1/status", "Host: localhost\r\n"));
  EXPECT_EQ(answer.header("cache-control"), "no-store");
  EXPECT_EQ(answer.header("x-content-type-options"), "nosniff");
  EXPECT_EQ(answer.header("cross-origin-resource-policy"), "same-origin");
}

TEST_F(HttpGate, ARequestThatWeSentOurselvesIsALoop) {
  open(two_endpoints());
  EXPECT_EQ(ask(post("", "X-Spanferry-Hop: our-instance\r\n")).status, 508);
  EXPECT_EQ(ask(post("", "X-Spanferry-Hop: another\r\n")).status, 200);
  EXPECT_EQ(rejected("loop"), 1U);
}

class HttpToken : public HttpGate {
 protected:
  HttpToken() {
    char name[] = "/tmp/spanferry-token-XXXXXX";
    directory_ = mkdtemp(name);
    settings.token_file = directory_ + "/token";
    write("sesame\n");
  }
  ~HttpToken() override { std::filesystem::remove_all(directory_); }
  void write(std::string_view token) {
    std::ofstream(directory_ + "/new") << token;
    std::filesystem::rename(directory_ + "/new", settings.token_file);
  }
  std::string directory_;
};

TEST_F(HttpToken, IsAskedOfCallersButNotOfProbes) {
  open(two_endpoints());
  const RawAnswer refused = ask(post(""));
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.header("www-authenticate").starts_with("Bearer"));
  EXPECT_EQ(ask(post("", "Authorization: Bearer sesam\r\n")).status, 401);
  EXPECT_EQ(ask(post("", "Authorization: Bearer sesame2\r\n")).status, 401);
  EXPECT_EQ(ask(post("", "Authorization: Basic sesame\r\n")).status, 401);
  EXPECT_EQ(ask(post("", "Authorization: bearer sesame\r\n")).status, 200);
  EXPECT_EQ(ask(get("/api/spanferry/v1/status", "Host: localhost\r\n")).status, 401);
  EXPECT_EQ(status_with("Host: localhost\r\n"), 200);
  EXPECT_EQ(rejected("unauthorized"), 5U);
}

TEST_F(HttpToken, MayComeAsThePasswordOfBasicAuthentication) {
  open(two_endpoints());
  const auto status = [&](std::string_view pair) {
    return ask(post("", "Authorization: Basic " + base64_encode(pair) + "\r\n")).status;
  };
  EXPECT_EQ(status("anybody:sesame"), 200);
  EXPECT_EQ(status(":sesame"), 200);
  EXPECT_EQ(status("sesame:"), 401);
  EXPECT_EQ(status("sesame"), 401);
  EXPECT_EQ(status("anybody:sesame:"), 401);
  EXPECT_EQ(ask(post("", "Authorization: Basic ?\r\n")).status, 401);
}

TEST_F(HttpToken, IsReadAgainWhenItChanges) {
  open(two_endpoints());
  EXPECT_EQ(ask(post("", "Authorization: Bearer sesame\r\n")).status, 200);
  write("other");
  EXPECT_TRUE(eventually([&] { return ask(post("", "Authorization: Bearer other\r\n")).status == 200; }));
  EXPECT_EQ(ask(post("", "Authorization: Bearer sesame\r\n")).status, 401);
}

TEST_F(HttpToken, ReadLastStaysInForceWhileItsFileIsGoneOrBroken) {
  auto token = ingest::TokenFile::open(settings.token_file);
  ASSERT_TRUE(token.has_value()) << token.error().sentence;
  auto now = ingest::TokenFile::Clock::now();
  const auto allows = [&](std::string_view text) {
    now += std::chrono::seconds(2);
    return (*token)->allows(text, now);
  };
  EXPECT_TRUE(allows("Bearer sesame"));
  std::filesystem::remove(settings.token_file);
  EXPECT_TRUE(allows("Bearer sesame"));
  write("two\nlines");
  EXPECT_TRUE(allows("Bearer sesame"));
  EXPECT_FALSE(allows("Bearer two"));
  write("fresh");
  EXPECT_TRUE(allows("Bearer fresh"));
  EXPECT_FALSE(allows("Bearer sesame"));
}

TEST_F(HttpToken, ThatCannotBeReadKeepsTheDoorsFromOpening) {
  settings.token_file = directory_ + "/nothing";
  const auto started = ingest::Server::start(settings, spool, {});
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().kind, ErrorKind::configuration);
  EXPECT_NE(started.error().sentence.find("listen.token_file"), std::string::npos);
}

}  // namespace
}  // namespace spanferry::test
