#include "net/proxy.hpp"

#include <map>

#include <gtest/gtest.h>

#include "net/http_client.hpp"
#include "tests/unit/net/scripted_server.hpp"

namespace spanferry::net {
namespace {

using spanferry::testing::Answer;
using spanferry::testing::Received;
using spanferry::testing::run;
using spanferry::testing::ScriptedServer;
namespace asio = boost::asio;

ProxySettings with(std::map<std::string, std::string> variables) {
  return proxies_of([&](const std::string& name) { return variables[name]; });
}

TEST(Proxy, IsTheOneOfTheScheme) {
  const auto settings = with({{"HTTPS_PROXY", "http://s:1"}, {"http_proxy", "http://p:2"}});
  EXPECT_EQ(proxy_for(settings, "https://far.example/x"), "http://s:1");
  EXPECT_EQ(proxy_for(settings, "HTTPS://far.example"), "http://s:1");
  EXPECT_EQ(proxy_for(settings, "http://far.example"), "http://p:2");
  EXPECT_EQ(proxy_for(with({{"HTTP_PROXY", "p:2"}}), "https://far.example"), "");
  EXPECT_EQ(proxy_for(with({{"ALL_PROXY", "a:1"}, {"HTTPS_PROXY", "s:1"}}), "http://far.example"), "a:1");
  EXPECT_EQ(proxy_for(with({}), "https://far.example"), "");
}

TEST(Proxy, OfSmallLettersGoesFirst) {
  EXPECT_EQ(with({{"HTTPS_PROXY", "capitals:1"}, {"https_proxy", "small:1"}}).https, "small:1");
  EXPECT_EQ(with({{"NO_PROXY", "a"}, {"no_proxy", "b"}}).except, "b");
}

TEST(Proxy, IsNeverAskedForALoopbackHost) {
  const auto settings = with({{"ALL_PROXY", "http://p:1"}});
  for (const char* url : {"http://localhost:5000", "http://LOCALHOST", "http://a.localhost",
                          "http://localhost.", "http://127.0.0.1", "https://127.9.9.9:1/x", "http://127.1",
                          "http://2130706433", "http://[::1]:1/", "http://[::ffff:127.0.0.1]/"})
    EXPECT_EQ(proxy_for(settings, url), "") << url;
  for (const char* url : {"http://127.0.0.1.example", "http://localhost.example", "http://notlocalhost",
                          "http://10.0.0.1", "http://[fe80::1]"})
    EXPECT_EQ(proxy_for(settings, url), "http://p:1") << url;
}

TEST(Proxy, IsNotAskedForExceptedHosts) {
  const auto settings =
      with({{"ALL_PROXY", "http://p:1"},
            {"NO_PROXY", "one.example, .two.example 10.0.0.0/8,192.168.1.7,[fd00::1],fd01::/16"}});
  for (const char* url : {"http://one.example", "http://ONE.example:80", "http://a.one.example",
                          "http://two.example", "http://b.two.example.", "http://10.9.8.7",
                          "http://192.168.1.7:1", "http://[fd00::1]", "http://[fd01:2::3]"})
    EXPECT_EQ(proxy_for(settings, url), "") << url;
  for (const char* url : {"http://someone.example", "http://example", "http://11.0.0.1",
                          "http://192.168.1.70", "http://[fd00::2]", "http://10.example"})
    EXPECT_EQ(proxy_for(settings, url), "http://p:1") << url;
  EXPECT_EQ(proxy_for(with({{"ALL_PROXY", "p"}, {"NO_PROXY", "*"}}), "http://far.example"), "");
  EXPECT_EQ(
      proxy_for(with({{"ALL_PROXY", "p"}, {"NO_PROXY", "10.0.0.0/x,10.0.0.0/99,/,."}}), "http://10.0.0.1"),
      "p");
}

TEST(Proxy, IsNamedWithoutItsPassword) {
  EXPECT_EQ(proxy_authority("http://user:pass@word@proxy.example:3128/"), "proxy.example:3128");
  EXPECT_EQ(proxy_authority("proxy.example:3128"), "proxy.example:3128");
  EXPECT_EQ(proxy_authority(""), "");
}

class ProxiedClientTest : public ::testing::Test {
 protected:
  std::expected<HttpResponse, TransportError> post(const std::string& url, unsigned short port) {
    const std::string url_of_it = "http://user:p%40ss@127.0.0.1:" + std::to_string(port);
    HttpClient client(io, {}, "spanferry/test", 8, {url_of_it, url_of_it, {}});
    HttpRequest request;
    request.url = url;
    request.headers.emplace_back("Authorization", "Bearer planted");
    request.body = {std::make_shared<const std::string>("spans")};
    auto result = run(io, client.perform(std::move(request)));
    return result ? *std::move(result)
                  : std::unexpected(TransportError{TransportFailure::timeout, false, "the test's own limit"});
  }

  asio::io_context io;
  ScriptedServer proxy{io, [](const Received&) { return Answer{.body = "from far"}; }};
};

TEST_F(ProxiedClientTest, AsksTheProxyWithItsCredentialForPlainHttp) {
  const auto answer = post("http://far.example/x", proxy.port());
  ASSERT_TRUE(answer) << answer.error().sentence;
  EXPECT_EQ(answer->body, "from far");
  EXPECT_EQ(proxy.received()[0].target, "http://far.example/x");
  EXPECT_EQ(proxy.received()[0].headers.at("proxy-authorization"), "Basic dXNlcjpwQHNz");
  EXPECT_EQ(proxy.received()[0].body, "spans");
}

TEST_F(ProxiedClientTest, ShowsTheProxyNothingOfARequestThatGoesThroughATunnel) {
  proxy.set_script([](const Received&) { return Answer{.status = 407}; });
  const auto answer = post("https://far.example/x", proxy.port());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().failure, TransportFailure::proxy_refused) << answer.error().sentence;
  EXPECT_EQ(answer.error().sentence,
            "the proxy 127.0.0.1:" + std::to_string(proxy.port()) +
                " wants a credential, or another one, before it leads to far.example:443");
  EXPECT_FALSE(answer.error().request_sent);
  const Received& connect = proxy.received()[0];
  EXPECT_EQ(connect.method, "CONNECT");
  EXPECT_EQ(connect.target, "far.example:443");
  EXPECT_EQ(connect.headers.at("proxy-authorization"), "Basic dXNlcjpwQHNz");
  EXPECT_FALSE(connect.headers.contains("authorization"));
}

TEST_F(ProxiedClientTest, TellsWhoCannotBeReached) {
  proxy.set_script([](const Received&) { return Answer{.status = 502}; });
  const auto beyond = post("https://far.example/x", proxy.port());
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().failure, TransportFailure::proxy) << beyond.error().sentence;
  EXPECT_NE(beyond.error().sentence.find("does not lead to far.example:443: it answers HTTP 502"),
            std::string::npos)
      << beyond.error().sentence;
  const auto port = proxy.port();
  proxy.stop();
  const auto refused = post("https://far.example/x", port);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().failure, TransportFailure::proxy) << refused.error().sentence;
  EXPECT_NE(
      refused.error().sentence.find("the proxy 127.0.0.1:" + std::to_string(port) + " cannot be reached"),
      std::string::npos)
      << refused.error().sentence;
  EXPECT_EQ(refused.error().sentence.find("p%40ss"), std::string::npos);
}

}  // namespace
}  // namespace spanferry::net
