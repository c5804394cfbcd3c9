#include "ingest/limits.hpp"
#include "tests/unit/ingest/doors.hpp"

namespace spanferry::test {
namespace {

class Udp : public Doors {
 protected:
  void send(std::string_view bytes) {
    const std::string address = server->udp_addresses().front();
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    close(fd);
  }
};

TEST_F(Udp, DatagramsBecomeRecords) {
  open();
  send(protobuf(one_span_json()));
  send(R"({"name": "hello"})");
  ASSERT_TRUE(spool.wait_for_records(2));
  EXPECT_EQ(spool.records()[0].header.source, Source::udp);
  EXPECT_EQ(*spool.records()[0].payload, protobuf(one_span_json()));
  EXPECT_TRUE(eventually([&] { return server->status().accepted_by_source.at("udp") == 2; }));
  EXPECT_GT(server->status().udp_receive_buffer_bytes, 0U);
}

TEST_F(Udp, WhatIsNoRequestIsCounted) {
  open();
  send("what?");
  send(std::string(60000, 'x'));
  EXPECT_TRUE(eventually([&] { return rejected("udp_malformed") == 2; }));
  send(protobuf(request_json(resource_json("", span_json("bad", "0102")))));
  EXPECT_TRUE(eventually([&] { return rejected("udp_refused_spans") == 1; }));
  EXPECT_EQ(spool.appends(), 0U);
}

TEST_F(Udp, WhatTheSpoolRefusesIsCounted) {
  open();
  spool.refuse_appends(Error{ErrorKind::full, "full"});
  send(R"({"name": "hello"})");
  EXPECT_TRUE(eventually([&] { return rejected("udp_spool_full") == 1; }));
}

TEST_F(Udp, ASpoolThatIsSlowMakesTheQueueFullAndNotLonger) {
  open();
  spool.hold();
  const std::string large = protobuf(one_span_json(std::string(60000, 'x')));
  EXPECT_TRUE(eventually([&] {
    send(large);
    return rejected("udp_queue_full") > 0;
  }));
  server.reset();  // what the kernel holds finds the queue full too, and the spool may answer when the door
                   // is gone
  spool.release();
  EXPECT_TRUE(spool.wait_for_records(spool.appends()));
  std::uint64_t bytes = 0;
  for (const Record& record : spool.records()) bytes += record.payload->size();
  EXPECT_LE(bytes, ingest::Settings{}.udp_queue_bytes);
}

TEST_F(Udp, WhatTheKernelHoldsIsTakenBeforeTheDoorCloses) {
  open();
  for (int i = 0; i < 100; ++i) send(R"({"name": "hello"})");
  server->stop(std::chrono::seconds(20));
  EXPECT_TRUE(spool.wait_for_records(100));
}

TEST_F(Udp, WhatTheKernelDropsIsCounted) {
  settings.udp_receive_buffer_bytes = 4096;
  open();
  const std::string datagram = protobuf(one_span_json(std::string(1000, 'x')));
  EXPECT_TRUE(eventually([&] {
    for (int i = 0; i < 200; ++i) send(datagram);
    return rejected("udp_kernel_dropped") > 0;
  }));
}

}  // namespace
}  // namespace spanferry::test
