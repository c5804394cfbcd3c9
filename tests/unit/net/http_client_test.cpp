#include "net/http_client.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "tests/unit/net/scripted_server.hpp"

namespace spanferry::net {
namespace {

using spanferry::testing::Answer;
using spanferry::testing::Received;
using spanferry::testing::run;
using spanferry::testing::run_until;
using spanferry::testing::ScriptedServer;
using Result = std::expected<HttpResponse, TransportError>;

std::shared_ptr<const std::string> piece(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

class HttpClientTest : public ::testing::Test {
 protected:
  HttpRequest post_to(const ScriptedServer& server, std::vector<std::shared_ptr<const std::string>> body) {
    HttpRequest request;
    request.url = server.url() + "/v1/traces?q=1";
    request.headers.emplace_back("Content-Type", "application/x-protobuf");
    request.body = std::move(body);
    return request;
  }
  Result perform(HttpRequest request) {
    auto result = run(io, client.perform(std::move(request)));
    return result ? *std::move(result)
                  : std::unexpected(TransportError{TransportFailure::timeout, false, "the test's own limit"});
  }
  TransportFailure failure_of(const Answer& answer) {
    ScriptedServer server(io, [&](const Received&) { return answer; });
    const Result result = perform(post_to(server, {piece("body")}));
    EXPECT_FALSE(result.has_value());
    if (result) return TransportFailure::cancelled;
    EXPECT_NE(result.error().sentence.find("127.0.0.1:" + std::to_string(server.port())), std::string::npos)
        << result.error().sentence;
    EXPECT_EQ(result.error().sentence.find("q=1"), std::string::npos);
    EXPECT_TRUE(result.error().request_sent);
    return result.error().failure;
  }

  boost::asio::io_context io;
  HttpClient client{io, TlsSettings{}, "spanferry/test", 8};
};

TEST_F(HttpClientTest, SendsTheBodyInPiecesAsOneAndReturnsStatusHeadersAndBody) {
  ScriptedServer server(io, [](const Received&) {
    return Answer{.status = 422, .headers = {{"X-Thing", "a value "}}, .body = "no"};
  });
  const Result result = perform(post_to(server, {piece("one,"), piece(""), piece("two,"), piece("three")}));
  ASSERT_TRUE(result.has_value()) << result.error().sentence;
  EXPECT_EQ(result->status, 422);
  EXPECT_EQ(result->body, "no");
  EXPECT_EQ(result->header("x-thing"), "a value");
  ASSERT_EQ(server.received().size(), 1U);
  const Received& request = server.received()[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/traces?q=1");
  EXPECT_EQ(request.body, "one,two,three");
  EXPECT_EQ(request.headers.at("content-type"), "application/x-protobuf");
  EXPECT_EQ(request.headers.at("user-agent"), "spanferry/test");
  EXPECT_FALSE(request.headers.contains("expect"));
}

TEST_F(HttpClientTest, SpeaksGetPutAndDeleteWithTheirBodies) {
  ScriptedServer server(io, [](const Received&) { return Answer{}; });
  for (const auto& [method, body] :
       {std::pair{"GET", ""}, {"PUT", "file"}, {"PUT", ""}, {"PATCH", "part"}, {"DELETE", "{}"}}) {
    HttpRequest request = post_to(server, {});
    request.method = method;
    if (*body != '\0') request.body = {piece(body)};
    ASSERT_TRUE(perform(std::move(request)).has_value());
    EXPECT_EQ(server.received().back().method, method);
    EXPECT_EQ(server.received().back().body, body);
  }
}

TEST_F(HttpClientTest, CarriesAnEmptyHeaderAndRefusesOneWithALineBreak) {
  ScriptedServer server(io, [](const Received&) { return Answer{}; });
  HttpRequest request = post_to(server, {piece("x")});
  request.headers.emplace_back("X-Empty", "");
  ASSERT_TRUE(perform(request).has_value());
  EXPECT_EQ(server.received()[0].headers.at("x-empty"), "");
  request.headers.emplace_back("X-Broken", "a\r\nX-Smuggled: b");
  const Result result = perform(request);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::bad_url);
  EXPECT_EQ(server.received().size(), 1U);
}

TEST_F(HttpClientTest, ReadsAChunkedAnswer) {
  ScriptedServer server(io, [](const Received&) {
    return Answer{
        .raw = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"};
  });
  const Result result = perform(post_to(server, {piece("x")}));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->body, "abcde");
}

TEST_F(HttpClientTest, SkipsAnInterimAnswer) {
  ScriptedServer server(io, [](const Received&) {
    return Answer{
        .raw = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\ny"};
  });
  const Result result = perform(post_to(server, {piece("x")}));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->body, "y");
  EXPECT_FALSE(result->header("link"));
}

TEST_F(HttpClientTest, TellsABrokenAnswerFromNone) {
  EXPECT_EQ(failure_of({.raw = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", .close = true}),
            TransportFailure::truncated);
  EXPECT_EQ(
      failure_of({.raw = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", .close = true}),
      TransportFailure::truncated);
  EXPECT_EQ(failure_of({.close = true}), TransportFailure::reset);
}

TEST_F(HttpClientTest, SaysThatNobodyListens) {
  auto server = std::make_unique<ScriptedServer>(io, [](const Received&) { return Answer{}; });
  HttpRequest request = post_to(*server, {piece("x")});
  server.reset();
  const Result result = perform(std::move(request));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::connect);
  EXPECT_FALSE(result.error().request_sent);
}

TEST_F(HttpClientTest, EndsAnExchangeThatIsNeverAnswered) {
  ScriptedServer server(io, [](const Received&) { return Answer{.hang = true}; });
  HttpRequest request = post_to(server, {piece("x")});
  request.timeout = std::chrono::milliseconds(100);
  const Result result = perform(std::move(request));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::timeout);
}

TEST_F(HttpClientTest, BoundsBodiesAndHeaders) {
  ScriptedServer server(io, [](const Received&) { return Answer{.body = std::string(5000, 'x')}; });
  HttpRequest request = post_to(server, {piece("x")});
  request.max_response_bytes = 4999;
  Result result = perform(request);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::too_large);
  request.max_response_bytes = 5000;
  EXPECT_TRUE(perform(request).has_value());
  server.set_script([](const Received&) {
    Answer answer;
    for (int i = 0; i < 80; ++i) answer.headers.emplace_back("x-filler", std::string(1000, 'x'));
    return answer;
  });
  result = perform(request);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::too_large);
}

TEST_F(HttpClientTest, FollowsNoRedirect) {
  ScriptedServer server(
      io, [](const Received&) { return Answer{.status = 302, .headers = {{"location", "/elsewhere"}}}; });
  const Result result = perform(post_to(server, {piece("x")}));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->status, 302);
  EXPECT_EQ(server.received().size(), 1U);
}

TEST_F(HttpClientTest, RefusesOtherProtocols) {
  HttpRequest request;
  request.url = "file:///etc/hostname";
  const Result result = perform(std::move(request));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::bad_url);
}

TEST_F(HttpClientTest, ReusesAConnection) {
  ScriptedServer server(io, [](const Received&) { return Answer{.body = "ok"}; });
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(perform(post_to(server, {piece("x")})).has_value());
  EXPECT_EQ(server.received().size(), 10U);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpClientTest, TellsThatAKeptConnectionBrokeAndSendsNoBodyAgainByItself) {
  // The server has the second request, whatever it made of it.
  int requests = 0;
  ScriptedServer server(
      io, [&](const Received&) { return ++requests == 2 ? Answer{.close = true} : Answer{.body = "ok"}; });
  ASSERT_TRUE(perform(post_to(server, {piece("first")})).has_value());
  const Result result = perform(post_to(server, {piece("sec"), piece("ond")}));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::reset);
  EXPECT_EQ(server.received().size(), 2U);
  EXPECT_TRUE(perform(post_to(server, {piece("third")})).has_value());
}

TEST_F(HttpClientTest, MovesALargeBodyWhole) {
  ScriptedServer server(io, [](const Received& r) { return Answer{.body = std::to_string(r.body.size())}; });
  std::vector<std::shared_ptr<const std::string>> pieces;
  std::string whole;
  for (int i = 0; i < 50; ++i) {
    pieces.push_back(piece(std::string(100'003, static_cast<char>('a' + i % 26))));
    whole += *pieces.back();
  }
  const Result result = perform(post_to(server, pieces));
  ASSERT_TRUE(result.has_value()) << result.error().sentence;
  EXPECT_TRUE(server.received()[0].body == whole);
}

TEST_F(HttpClientTest, RunsManyAtOnceOnABoundedNumberOfConnections) {
  ScriptedServer server(io, [](const Received& r) { return Answer{.body = r.body}; });
  int right = 0, ended = 0;
  for (int i = 0; i < 200; ++i)
    boost::asio::co_spawn(
        io,
        [&, i]() -> boost::asio::awaitable<void> {
          const Result result = co_await client.perform(post_to(server, {piece(std::to_string(i))}));
          right += result && result->body == std::to_string(i) ? 1 : 0;
          ++ended;
        },
        boost::asio::detached);
  EXPECT_TRUE(run_until(io, [&] { return ended == 200; }));
  EXPECT_EQ(right, 200);
  EXPECT_LE(server.most_open(), 8);
}

TEST_F(HttpClientTest, CanBeCancelledAndGoesOnWithOthers) {
  ScriptedServer server(
      io, [](const Received& r) { return r.body == "hang" ? Answer{.hang = true} : Answer{.body = "ok"}; });
  boost::asio::cancellation_signal signal;
  std::optional<Result> hanging;
  bool ended = false;
  boost::asio::co_spawn(
      io,
      [&]() -> boost::asio::awaitable<void> {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        hanging = co_await client.perform(post_to(server, {piece("hang")}));
      },
      boost::asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr) { ended = true; }));
  ASSERT_TRUE(run_until(io, [&] { return server.received().size() == 1; }));
  signal.emit(boost::asio::cancellation_type::terminal);
  ASSERT_TRUE(run_until(io, [&] { return ended; }));
  if (hanging) {
    ASSERT_FALSE(hanging->has_value());
    EXPECT_EQ(hanging->error().failure, TransportFailure::cancelled);
  }
  EXPECT_TRUE(perform(post_to(server, {piece("next")})).has_value());
}

TEST_F(HttpClientTest, ShutdownEndsWhatIsUnderWayAndWhatComesAfter) {
  ScriptedServer server(io, [](const Received&) { return Answer{.hang = true}; });
  int cancelled = 0;
  for (int i = 0; i < 5; ++i)
    boost::asio::co_spawn(
        io,
        [&]() -> boost::asio::awaitable<void> {
          const Result result = co_await client.perform(post_to(server, {piece("x")}));
          if (!result && result.error().failure == TransportFailure::cancelled) ++cancelled;
        },
        boost::asio::detached);
  ASSERT_TRUE(run_until(io, [&] { return server.received().size() == 5; }));
  client.shutdown();
  EXPECT_TRUE(run_until(io, [&] { return cancelled == 5; }));
  const Result late = perform(post_to(server, {piece("x")}));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().failure, TransportFailure::cancelled);
}

TEST(HttpResponse, ReadsRetryAfterInSecondsAndAsADate) {
  HttpResponse response;
  EXPECT_FALSE(response.retry_after());
  response.headers = {{"retry-after", "7"}};
  EXPECT_EQ(response.retry_after(), std::chrono::seconds(7));
  response.headers = {{"retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"}};
  EXPECT_EQ(response.retry_after(), std::chrono::seconds(0));
  response.headers = {{"retry-after", "soon"}};
  EXPECT_FALSE(response.retry_after());
}

}  // namespace
}  // namespace spanferry::net
