#include "ingest/handed_socket.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/ingest/doors.hpp"

namespace spanferry::test {
namespace {

using std::chrono::seconds;

// As a service manager does it: bound, and listening where connections come.
int opened(int type, in_addr_t where = INADDR_LOOPBACK, bool listening = true) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(where);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  if (type == SOCK_STREAM && listening) {
    EXPECT_EQ(listen(fd, 16), 0);
  }
  return fd;
}

void send_datagram(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string_view span = R"({"name": "hello"})";
  sendto(fd, span.data(), span.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  close(fd);
}

class HandedOver : public Doors {
 protected:
  [[nodiscard]] std::string refusal() {
    auto started = ingest::Server::start(settings, spool, {});
    EXPECT_FALSE(started.has_value());
    return started ? "" : started.error().sentence;
  }
};

TEST_F(HandedOver, SocketsTakeThePlaceOfTheAddresses) {
  settings.http = {"127.0.0.1:1"};  // would be refused to anyone but root, and is not tried
  settings.handed = {{opened(SOCK_STREAM)}, {opened(SOCK_DGRAM)}};
  open();
  ASSERT_EQ(server->http_addresses().size(), 1U);
  EXPECT_NE(server->http_addresses().front(), "127.0.0.1:1");
  EXPECT_EQ(ask(post(protobuf(one_span_json()))).status, 200);
  send_datagram(server->udp_addresses().front());
  EXPECT_TRUE(spool.wait_for_records(2));
}

TEST_F(HandedOver, NobodyIsRefusedBetweenTwoServers) {
  const int tcp = opened(SOCK_STREAM), udp = opened(SOCK_DGRAM);
  settings.handed = {{dup(tcp)}, {dup(udp)}};
  open();
  const std::string http_address = server->http_addresses().front();
  const std::string udp_address = server->udp_addresses().front();
  server->stop(seconds(20));
  server.reset();

  RawClient between(http_address);  // connects, and waits for an answer
  between.send(post(protobuf(one_span_json())));
  send_datagram(udp_address);

  settings.handed = {{tcp}, {udp}};
  open();
  EXPECT_EQ(between.receive().status, 200);
  EXPECT_TRUE(spool.wait_for_records(2));
}

TEST_F(HandedOver, ASocketOfTheWrongKindIsRefusedWithItsReason) {
  settings.handed.http = {opened(SOCK_DGRAM)};
  EXPECT_NE(refusal().find("ListenStream="), std::string::npos);
  settings.handed = {{}, {opened(SOCK_STREAM)}};
  EXPECT_NE(refusal().find("ListenDatagram="), std::string::npos);
  settings.handed = {{opened(SOCK_STREAM, INADDR_LOOPBACK, false)}, {}};
  EXPECT_NE(refusal().find("does not listen"), std::string::npos);
  settings.handed = {{1000}, {}};
  EXPECT_NE(refusal().find("is no socket"), std::string::npos);
}

TEST_F(HandedOver, WiderThanLoopbackNeedsLeaveJustAsAnAddressDoes) {
  settings.handed.http = {opened(SOCK_STREAM, INADDR_ANY)};
  EXPECT_NE(refusal().find("allow_remote"), std::string::npos);
  settings.handed = {{}, {opened(SOCK_DGRAM, INADDR_ANY)}};
  EXPECT_NE(refusal().find("allow_remote"), std::string::npos);
}

}  // namespace
}  // namespace spanferry::test
