#include <random>

#include "tests/unit/ingest/doors.hpp"

namespace spanferry::test {
namespace {

using std::chrono::milliseconds;

class HttpFraming : public Doors {};

std::string chunked(std::string_view pieces, std::string_view headers = "") {
  return "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n" +
         std::string(headers) + "Transfer-Encoding: chunked\r\n\r\n" + std::string(pieces);
}
std::string chunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + std::string(bytes) + "\r\n";
}

TEST_F(HttpFraming, RequestsSentTogetherAreAnsweredInOrder) {
  open();
  std::string all;
  for (int i = 0; i < 20; ++i) all += post(protobuf(one_span_json("span-" + std::to_string(i))));
  all += post("\xff");
  RawClient c = client();
  c.send(all);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(c.receive().status, 200) << i;
  EXPECT_EQ(c.receive().status, 400);
  EXPECT_EQ(spool.records().size(), 20U);
}

TEST_F(HttpFraming, ARequestMayComeByteByByte) {
  open();
  RawClient c = client();
  for (const char byte : post(protobuf(one_span_json()))) c.send({&byte, 1});
  EXPECT_EQ(c.receive().status, 200);
}

TEST_F(HttpFraming, LargeBodiesComeWhole) {
  open();
  const std::string body = protobuf(one_span_json(std::string(5U << 20, 'x')));
  RawClient c = client();
  EXPECT_EQ(c.ask(post(body)).status, 200);
  EXPECT_EQ(c.ask(post(body)).status, 200);
  ASSERT_EQ(spool.records().size(), 2U);
  EXPECT_EQ(*spool.records()[1].payload, body);
}

TEST_F(HttpFraming, ChunkedBodiesComeWholeAndLeaveTheNextRequestAlone) {
  open();
  const std::string body = protobuf(one_span_json(std::string(100000, 'y')));
  std::string pieces;
  for (std::size_t at = 0; at < body.size(); at += 7777)
    pieces += chunk(std::string_view(body).substr(at, 7777));
  RawClient c = client();
  c.send(chunked(pieces + "0\r\n\r\n") + post(protobuf(one_span_json())));
  EXPECT_EQ(c.receive().status, 200);
  EXPECT_EQ(c.receive().status, 200);
  ASSERT_EQ(spool.records().size(), 2U);
  EXPECT_EQ(*spool.records()[0].payload, body);
  EXPECT_EQ(c.ask(chunked("0\r\n\r\n")).status, 200);
  EXPECT_EQ(server->status().inflight_bytes, 0U);
}

TEST_F(HttpFraming, AChunkThatIsNoneIs400) {
  open();
  EXPECT_EQ(ask(chunked("zz\r\nabc\r\n")).status, 400);
}

TEST_F(HttpFraming, ChunkedBodiesAreCutAtTheLimit) {
  settings.max_body_bytes = 100000;
  open();
  RawClient c = client();
  c.send(chunked(chunk(std::string(60000, 'a')) + chunk(std::string(60000, 'a'))));
  const RawAnswer answer = c.receive();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_EQ(server->status().inflight_bytes, 0U);
}

TEST_F(HttpFraming, AChunkExtensionWithoutEndIsCut) {
  open();
  EXPECT_EQ(ask(chunked("5;" + std::string(400000, 'x'))).status, 400);
}

TEST_F(HttpFraming, AClientThatWaitsForContinueGetsIt) {
  open();
  const std::string body = protobuf(one_span_json());
  const std::string request = post(body, "Expect: 100-continue\r\n");
  RawClient c = client();
  EXPECT_EQ(c.ask(request.substr(0, request.size() - body.size())).status, 100);
  EXPECT_EQ(c.ask(body).status, 200);
}

TEST_F(HttpFraming, AClientThatWaitsForContinueIsRefusedWithoutItsBody) {
  open();
  const std::string request = post("x", "Expect: 100-continue\r\n", "text/plain");
  RawClient c = client();
  const RawAnswer answer = c.ask(request.substr(0, request.size() - 1));
  EXPECT_EQ(answer.status, 415);
  EXPECT_EQ(answer.header("connection"), "close");
}

TEST_F(HttpFraming, TwoLengthsAreRefused) {
  open();
  EXPECT_EQ(
      ask("POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd").status,
      400);
  EXPECT_EQ(
      ask("POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n")
          .status,
      400);
  EXPECT_EQ(
      ask("POST /v1/traces HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n")
          .status,
      400);
  EXPECT_EQ(ask("POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n").status, 400);
}

// What another server may read in another way is refused as a whole, and ends the connection: the request
// that it hides is never served.
TEST_F(HttpFraming, ARequestThatCouldBeReadInTwoWaysIsRefusedAndEndsTheConnection) {
  open();
  const std::string body = protobuf(one_span_json());
  const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
  for (const std::string& headers : {
           length + "Transfer-Encoding: xchunked\r\n",
           length + "Transfer-Encoding: identity\r\n",
           length + "Transfer-Encoding: chunked, identity\r\n",
           length + "Transfer-Encoding: \"chunked\"\r\n",
           length + "Transfer-Encoding: \x0b" + "chunked\r\n",
           length + "Transfer-Encoding : chunked\r\n",
           length + " Transfer-Encoding: chunked\r\n",
           length + "Transfer-Encoding:\r\n chunked\r\n",
           length + "Transfer-Encoding:\n chunked\r\n",
           length + "X: y\nTransfer-Encoding: chunked\r\n",
           length + length,
           " Transfer-Encoding: chunked\r\n" + length,
           "X: y\r\n\tz\r\n" + length,
           std::string("Transfer-Encoding:\r\n chunked\r\n"),
           std::string("Transfer-Encoding: xchunked\r\n"),
           std::string("Transfer-Encoding: gzip, chunked\r\n"),
           std::string("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
           std::string("Content-Length: +5\r\n"),
           std::string("Content-Length: 0x5\r\n"),
           std::string("Content-Length: 5, 5\r\n"),
           std::string("Content-Length: 5 5\r\n"),
           std::string("Content-Length: 18446744073709551621\r\n"),
           std::string("Content-Length: \r\n"),
           length + "Host: other\r\n",
           length + "Content-Encoding: gzip\r\nContent-Encoding: identity\r\n",
           length + "Authorization: a\r\nAuthorization: b\r\n",
       }) {
    RawClient c = client();
    c.send("POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n" +
           headers + "\r\n" + body + post(body));
    const RawAnswer answer = c.receive();
    EXPECT_EQ(answer.status, 400) << headers;
    EXPECT_EQ(answer.header("connection"), "close") << headers;
    EXPECT_TRUE(c.is_closed_by_server()) << headers;
  }
  EXPECT_EQ(ask("POST /v1/traces HTTP/1.0\r\nContent-Type: application/x-protobuf\r\n"
                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                .status,
            400);
  EXPECT_TRUE(spool.records().empty());
}

TEST_F(HttpFraming, AChunkThatCouldBeReadInTwoWaysIsRefusedAndEndsTheConnection) {
  open();
  const std::string body = protobuf(one_span_json());
  for (const char* pieces :
       {"10000000000000000\r\n\r\n0\r\n\r\n", "0x0\r\n\r\n", "-1\r\n\r\n", "+0\r\n\r\n", "0 \r\n\r\n",
        " 0\r\n\r\n", "0\n\n", "0;a\nb\r\n\r\n", "1\r\naXX0\r\n\r\n", "1\r\na\n0\r\n\r\n", "\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    RawClient c = client();
    c.send(chunked(pieces) + post(body));
    const RawAnswer answer = c.receive();
    EXPECT_EQ(answer.status, 400) << pieces;
    EXPECT_TRUE(c.is_closed_by_server()) << pieces;
  }
  EXPECT_TRUE(spool.records().empty());
}

TEST_F(HttpFraming, AFoldedLineIsSeenHoweverItComes) {
  open();
  const std::string request =
      "GET / HTTP/1.1\r\nHost: localhost\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n";
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    RawClient c = client();
    c.send(request.substr(0, cut));
    c.send(request.substr(cut));
    EXPECT_EQ(c.receive().status, 400) << cut;
  }
}

TEST_F(HttpFraming, ATrailerChangesNothing) {
  open();
  RawClient c = client();
  c.send(chunked(chunk(protobuf(one_span_json())) +
                 "0\r\nHost: evil.example\r\nX-Mlflow-Experiment-Id: 7\r\n\r\n") +
         post(""));
  EXPECT_EQ(c.receive().status, 200);
  EXPECT_EQ(c.receive().status, 200);
  ASSERT_EQ(spool.records().size(), 1U);
}

TEST_F(HttpFraming, APostWithoutALengthIs411) {
  open();
  EXPECT_EQ(ask("POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n\r\n")
                .status,
            411);
}

TEST_F(HttpFraming, WhatIsNotHttpIs400) {
  open();
  EXPECT_EQ(ask("HELLO\r\n\r\n").status, 400);
  EXPECT_EQ(ask("GET / HTTP/9.9\r\n\r\n").status, 400);
}

TEST_F(HttpFraming, AHeaderThatIsTooLargeIs431) {
  open();
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + std::string(20000, 'a')).status, 431);
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + std::string(17000, 'a') + "\r\n\r\n").status,
            431);
  EXPECT_EQ(rejected("header_too_large"), 2U);
}

TEST_F(HttpFraming, AHttp2PrefaceEndsTheConnectionAndIsCounted) {
  open();
  RawClient c = client();
  c.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(9, '\0'));
  EXPECT_TRUE(c.is_closed_by_server());
  EXPECT_EQ(rejected("http2_preface"), 1U);
}

TEST_F(HttpFraming, ASlowHeaderIs408) {
  settings.header_timeout = milliseconds(60);
  open();
  const RawAnswer answer = ask("POST /v1/traces HT");
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.header("connection"), "close");
}

TEST_F(HttpFraming, ASlowBodyIs408) {
  settings.body_timeout = milliseconds(60);
  open();
  const std::string request = post(std::string(1000, 'x'));
  EXPECT_EQ(ask(request.substr(0, request.size() - 1)).status, 408);
  EXPECT_EQ(ask(chunked("5\r\nab")).status, 408);
  EXPECT_EQ(rejected("timeout"), 2U);
  EXPECT_TRUE(eventually([&] { return server->status().inflight_bytes == 0; }));
}

TEST_F(HttpFraming, AnIdleConnectionIsJustClosed) {
  settings.idle_timeout = milliseconds(60);
  open();
  RawClient c = client();
  EXPECT_EQ(c.ask(post("")).status, 200);
  EXPECT_TRUE(c.is_closed_by_server());
  EXPECT_EQ(rejected("timeout"), 0U);
}

TEST_F(HttpFraming, AClientThatLeavesInTheMiddleIsCounted) {
  open();
  {
    RawClient c = client();
    c.send(post("12345").substr(0, 100));
  }
  EXPECT_TRUE(eventually([&] { return rejected("disconnected") == 1; }));
  EXPECT_TRUE(eventually([&] { return server->status().connections == 0; }));
}

TEST_F(HttpFraming, Http10IsAnsweredAndClosed) {
  open();
  RawClient c = client();
  const RawAnswer answer =
      c.ask("POST /v1/traces HTTP/1.0\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_TRUE(c.is_closed_by_server());
}

TEST_F(HttpFraming, RandomBytesHurtNobody) {
  settings.header_timeout = milliseconds(50);
  open();
  std::mt19937 dice(1);
  for (int i = 0; i < 200; ++i) {
    std::string noise(dice() % 600, '\0');
    for (char& c : noise) c = static_cast<char>(dice());
    if (i % 2 == 0) noise = "POST /v1/traces HTTP/1.1\r\n" + noise + "\r\n\r\n";
    RawClient c = client();
    c.send(noise);
    c.finish_sending();
    (void)c.receive();
  }
  EXPECT_EQ(ask(post(protobuf(one_span_json()))).status, 200);
}

}  // namespace
}  // namespace spanferry::test
