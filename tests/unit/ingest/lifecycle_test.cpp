#include "tests/unit/ingest/doors.hpp"

namespace spanferry::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Lifecycle : public Doors {};

TEST_F(Lifecycle, WhileDrainingEveryAnswerSaysCloseAndRequestsAreStillTaken) {
  open();
  RawClient early = client();
  EXPECT_EQ(early.ask(post("")).header("connection"), "");
  server->start_draining();
  EXPECT_TRUE(server->status().draining);
  const RawAnswer answer = early.ask(post(protobuf(one_span_json())));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_TRUE(early.is_closed_by_server());
  EXPECT_EQ(ask(post(protobuf(one_span_json()))).status, 200);
}

TEST_F(Lifecycle, StoppingAnswersRequestsUnderWayAndClosesIdleConnections) {
  open();
  spool.hold();
  RawClient idle = client(), busy = client();
  EXPECT_EQ(idle.ask(post("")).status, 200);
  busy.send(post(protobuf(one_span_json())));
  ASSERT_TRUE(spool.wait_for_appends(1));
  std::thread stopper([&] { server->stop(seconds(20)); });
  EXPECT_TRUE(idle.is_closed_by_server());
  spool.release();
  const RawAnswer answer = busy.receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("connection"), "close");
  busy.finish_sending();
  stopper.join();
  EXPECT_THROW(static_cast<void>(client()), std::runtime_error) << "the port is closed";
  EXPECT_EQ(spool.records().size(), 1U);
}

TEST_F(Lifecycle, ARequestThatHasComeByTheTimeOfTheStopIsAnswered) {
  open();
  spool.hold();
  std::vector<RawClient> clients;
  for (int i = 0; i < 32; ++i) {
    clients.push_back(client());
    clients.back().send(post(protobuf(one_span_json())));
  }
  spool.release();
  server->stop(seconds(20));
  for (RawClient& one : clients) {
    EXPECT_EQ(one.receive().status, 200);
    one.finish_sending();
  }
}

TEST_F(Lifecycle, AStopEndsAtItsDeadline) {
  open();
  RawClient slow = client();
  slow.send("POST /v1/traces HTTP/1.1\r\n");
  EXPECT_TRUE(eventually([&] { return server->status().connections == 1; }));
  server->stop(milliseconds(50));
  server.reset();
  EXPECT_TRUE(slow.is_closed_by_server());
}

TEST_F(Lifecycle, QuietIsCountedFromTheLastRequest) {
  open();
  EXPECT_TRUE(eventually([&] { return server->quiet_for() >= milliseconds(30); }));
  EXPECT_EQ(ask(post("")).status, 200);
  EXPECT_LT(server->quiet_for(), seconds(10));
}

TEST_F(Lifecycle, ProbesAreNoActivity) {
  open();
  EXPECT_TRUE(eventually([&] { return server->quiet_for() >= milliseconds(30); }));
  EXPECT_EQ(ask("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 404);
  EXPECT_GE(server->quiet_for(), milliseconds(30));
}

TEST_F(Lifecycle, APortThatIsTakenIsNamed) {
  open();
  ingest::Settings same = settings;
  same.http = server->http_addresses();
  const auto second = ingest::Server::start(same, spool, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::io);
  EXPECT_NE(second.error().sentence.find(same.http.front()), std::string::npos);
  EXPECT_NE(second.error().sentence.find("listen.http"), std::string::npos);
  same.http = {""};
  same.udp = server->udp_addresses();
  EXPECT_FALSE(ingest::Server::start(same, spool, {}).has_value());
}

TEST_F(Lifecycle, WiderThanLoopbackNeedsLeave) {
  settings.http = {"0.0.0.0:0"};
  const auto refused = ingest::Server::start(settings, spool, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::configuration);
  EXPECT_NE(refused.error().sentence.find("token_file"), std::string::npos);
  EXPECT_NE(refused.error().sentence.find("allow_remote"), std::string::npos);
  settings.allow_remote = true;
  EXPECT_TRUE(ingest::Server::start(settings, spool, {}).has_value());
}

TEST_F(Lifecycle, BothFamiliesMayBeListenedOn) {
  settings.http = {"127.0.0.1:0", "[::1]:0"};
  open();
  EXPECT_GE(server->http_addresses().size(), 1U);
  EXPECT_TRUE(server->http_addresses().front().starts_with("127.0.0.1:"));
}

TEST_F(Lifecycle, AddressesThatAreNoneAreConfigurationErrors) {
  for (const char* address :
       {"4318", "127.0.0.1", "127.0.0.1:99999", "example.com:80", "::1:80", "[127.0.0.1]:80", ":80"}) {
    settings.http = {address};
    const auto refused = ingest::Server::start(settings, spool, {});
    ASSERT_FALSE(refused.has_value()) << address;
    EXPECT_EQ(refused.error().kind, ErrorKind::configuration) << address;
  }
}

}  // namespace
}  // namespace spanferry::test
