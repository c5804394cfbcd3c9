#include <sys/resource.h>

#include "tests/unit/ingest/doors.hpp"
#include "tests/unit/ingest/packing.hpp"

namespace spanferry::test {
namespace {

class HttpLimits : public Doors {};

TEST_F(HttpLimits, PackedBodiesAreUnpackedWhateverTheirSize) {
  open();
  for (const std::size_t size : {10UL, 500000UL, 3000000UL}) {
    const std::string body = protobuf(one_span_json(std::string(size, 'x')));
    for (const auto& [name, packed] :
         {std::pair{"gzip", pack_zlib(body, 31)}, std::pair{"deflate", pack_zlib(body, 15)},
          std::pair{"deflate", pack_zlib(body, -15)}, std::pair{"zstd", pack_zstd(body)}}) {
      const std::string header = "Content-Encoding: " + std::string(name) + "\r\n";
      EXPECT_EQ(ask(post(packed, header)).status, 200) << name << " " << size;
      EXPECT_EQ(*spool.records().back().payload, body);
      EXPECT_EQ(ask(post(packed.substr(0, packed.size() / 2), header)).status, 400) << name << " " << size;
    }
    EXPECT_EQ(
        ask(post(pack_zlib(one_span_json(), 31), "Content-Encoding: gzip\r\n", "application/json")).status,
        200);
  }
  EXPECT_TRUE(eventually([&] { return server->status().inflight_bytes == 0; }));
}

TEST_F(HttpLimits, ABombIs413) {
  settings.max_body_bytes = 1U << 20;
  open();
  EXPECT_EQ(ask(post(pack_zlib(std::string(64U << 20, '\0'), 31), "Content-Encoding: gzip\r\n")).status, 413);
  EXPECT_EQ(ask(post(pack_zstd(std::string(64U << 20, '\0')), "Content-Encoding: zstd\r\n")).status, 413);
  EXPECT_EQ(rejected("too_large"), 2U);
}

TEST_F(HttpLimits, ABodyThatIsTooLargeIs413BeforeItIsRead) {
  settings.max_body_bytes = 1000;
  open();
  RawClient c = client();
  EXPECT_EQ(c.ask(post(std::string(1001, 'x'))).status, 413);
  EXPECT_EQ(c.ask(post(std::string(1000, '\xff'))).status, 400)
      << "a small one is read away, the connection lives on";
  const RawAnswer huge =
      ask("POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
          "Content-Length: 99999999999\r\n\r\n");
  EXPECT_EQ(huge.status, 413);
  EXPECT_EQ(huge.header("connection"), "close");
}

TEST_F(HttpLimits, JsonThatNeedsMoreMemoryThanThereIsIs413) {
  settings.max_inflight_bytes = 60000;
  open();
  EXPECT_EQ(ask(post_json(one_span_json(std::string(9000, 'x')))).status, 200);
  EXPECT_EQ(ask(post_json(one_span_json(std::string(11000, 'x')))).status, 413);
  EXPECT_EQ(ask(post(pack_zlib(one_span_json(std::string(11000, 'x')), 31), "Content-Encoding: gzip\r\n",
                     "application/json"))
                .status,
            413);
  EXPECT_EQ(ask(post(protobuf(one_span_json(std::string(11000, 'x'))))).status, 200);
}

TEST_F(HttpLimits, DenseJsonCountsForWhatItsParserTakes) {
  settings.max_inflight_bytes = 8U << 20;
  open();
  const auto numbers = [](std::size_t bytes) {
    std::string json = R"({"resourceSpans":[],"unknown":[1)";
    while (json.size() < bytes) json += ",1";
    return json + "]}";
  };
  EXPECT_EQ(ask(post_json(numbers(400'000))).status, 200);
  EXPECT_EQ(ask(post_json(numbers(1'000'000))).status, 413) << "six times its size would fit";
  EXPECT_EQ(
      ask(post(pack_zlib(numbers(1'000'000), 31), "Content-Encoding: gzip\r\n", "application/json")).status,
      413);
  EXPECT_TRUE(eventually([&] { return server->status().inflight_bytes == 0; }));
}

TEST_F(HttpLimits, WhoFindsNoMemoryWaitsAMomentThenIsToldToComeBack) {
  settings.max_inflight_bytes = 100000;
  open();
  spool.hold();
  RawClient first = client();
  first.send(post(protobuf(one_span_json(std::string(60000, 'x')))));
  ASSERT_TRUE(spool.wait_for_appends(1));
  const RawAnswer refused = ask(post(protobuf(one_span_json(std::string(60000, 'y')))));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_EQ(rejected("overloaded"), 1U);
  RawClient second = client();
  second.send(post(protobuf(one_span_json(std::string(60000, 'z')))));
  spool.release();
  EXPECT_EQ(first.receive().status, 200);
  EXPECT_EQ(second.receive().status, 200) << "it got the first one's room";
  EXPECT_EQ(server->status().inflight_bytes, 0U);
}

TEST_F(HttpLimits, WhoOnlyAnnouncesABodyTakesNothingAway) {
  settings.max_inflight_bytes = settings.max_body_bytes = 4U << 20;
  open();
  RawClient stalled = client();
  stalled.send(
      "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
      "Content-Length: 4194304\r\n\r\nabc");
  EXPECT_TRUE(eventually([&] { return server->status().inflight_bytes > 0; }));
  EXPECT_EQ(ask(post(protobuf(one_span_json(std::string(3U << 20, 'x'))))).status, 200);
}

// What comes through a proxy is not of this host.
constexpr std::string_view kFromElsewhere = "X-Forwarded-For: 192.0.2.7\r\n";

std::string span_of(std::size_t bytes) { return protobuf(one_span_json(std::string(bytes, 'x'))); }

TEST_F(HttpLimits, AQuarterOfTheMemoryIsForThisHost) {
  settings.max_inflight_bytes = 400000;
  open();
  spool.hold();
  RawClient first = client(), second = client();
  first.send(post(span_of(140000), kFromElsewhere));
  second.send(post(span_of(140000), kFromElsewhere));
  ASSERT_TRUE(spool.wait_for_appends(2));
  EXPECT_EQ(ask(post(span_of(90000), kFromElsewhere)).status, 503) << "it would fit into what is left";
  RawClient here = client();
  here.send(post(span_of(90000)));
  ASSERT_TRUE(spool.wait_for_appends(3));
  spool.release();
  for (RawClient* c : {&first, &second, &here}) EXPECT_EQ(c->receive().status, 200);
  EXPECT_EQ(ask(post(span_of(310000), kFromElsewhere)).status, 413) << "more than can ever be had from there";
  EXPECT_EQ(ask(post(span_of(310000))).status, 200);
  EXPECT_EQ(server->status().inflight_bytes, 0U);
  EXPECT_EQ(ask(post(span_of(290000), kFromElsewhere)).status, 200) << "all of it was given back";
}

TEST_F(HttpLimits, ConnectionsBeyondTheLimitAreTurnedAwayWhileAllOthersAreBusy) {
  settings.max_connections = 2;
  open();
  spool.hold();
  RawClient a = client(), b = client();
  a.send(post(protobuf(one_span_json("a"))));
  b.send(post(protobuf(one_span_json("b"))));
  ASSERT_TRUE(spool.wait_for_appends(2));
  RawClient c = client();
  const RawAnswer refused = c.receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_EQ(rejected("connections"), 1U);
  spool.release();
  EXPECT_EQ(a.receive().status, 200);
  EXPECT_EQ(b.receive().status, 200);
}

TEST_F(HttpLimits, TheConnectionThatIsIdleLongestMakesRoomAtTheLimit) {
  settings.max_connections = 3;
  open();
  RawClient a = client(), b = client(), silent = client();
  EXPECT_TRUE(eventually([&] { return server->status().connections == 3; }));
  EXPECT_EQ(b.ask(post("")).status, 200);
  EXPECT_EQ(a.ask(post("")).status, 200);
  RawClient c = client();  // in place of the one that never said anything
  EXPECT_EQ(c.ask(post("")).status, 200);
  EXPECT_EQ(silent.receive().status, 0);
  EXPECT_EQ(a.ask(post("")).status, 200);
  RawClient d = client();
  EXPECT_EQ(d.ask(post("")).status, 200);
  EXPECT_EQ(b.receive().status, 0);
  EXPECT_EQ(a.ask(post("")).status, 200);
  EXPECT_EQ(rejected("connections"), 2U);
  EXPECT_TRUE(eventually([&] { return server->status().connections == 3; }));
}

TEST_F(HttpLimits, TwoThousandIdleConnectionsKeepNobodyOut) {
  open();
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  std::vector<RawClient> idle;
  for (int i = 0; i < 2000; ++i) {
    idle.push_back(client());
    if (i % 10 == 0) idle.back().send("POST /v1/tra");
  }
  EXPECT_TRUE(eventually([&] { return server->status().connections >= 2000; }));
  EXPECT_EQ(ask(post(protobuf(one_span_json()))).status, 200);
}

TEST_F(HttpLimits, AnAnswerThatIsNotTakenEndsTheConnection) {
  settings.write_timeout = std::chrono::milliseconds(60);
  open({{"GET", "/large", ingest::Audience::loopback,
         [](const ingest::Request&, std::move_only_function<void(ingest::Response)> reply) {
           reply({200, "text/plain", std::string(32U << 20, 'x'), {}});
         }}});
  RawClient c = client();
  c.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return rejected("timeout") == 1; }));
  EXPECT_TRUE(eventually([&] { return server->status().connections == 0; }));
}

}  // namespace
}  // namespace spanferry::test
