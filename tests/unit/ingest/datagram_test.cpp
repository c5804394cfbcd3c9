#include "ingest/datagram.hpp"

#include <random>

#include <gtest/gtest.h>

#include "model/otlp_span.hpp"
#include "tests/unit/ingest/doors.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::uint64_t kNow = 1'700'000'000'000'000'000;

TEST(Datagram, MayBeAProtobufRequest) {
  const std::string request = test::protobuf(test::one_span_json());
  const auto decoded = decode_datagram(request, kNow);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded->payload, request);
  EXPECT_EQ(decoded->scan.spans, 1U);
}

TEST(Datagram, MayBeAJsonRequest) {
  const auto decoded = decode_datagram("\n " + test::one_span_json("over-udp") + "\n", kNow);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().sentence;
  EXPECT_EQ(*decoded->payload, test::protobuf(test::one_span_json("over-udp")));
}

TEST(Datagram, MayBeOneSpanThatSaysNoMoreThanItsName) {
  const auto decoded = decode_datagram(R"({"name": "hello"})", kNow);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().sentence;
  const auto spans = decode_traces_request(*decoded->payload);
  ASSERT_TRUE(spans.has_value());
  ASSERT_EQ(spans->spans.size(), 1U);
  EXPECT_EQ(spans->spans[0].name, "hello");
  EXPECT_EQ(spans->spans[0].start_ns, kNow);
  EXPECT_FALSE(spans->spans[0].trace_id.is_zero());
  EXPECT_EQ(find(spans->resources.at(0).attributes, "service.name")->value.string(), "unknown_service");
}

TEST(Datagram, MayHaveTheHeaderLineOfXRay) {
  const std::string request = test::protobuf(test::one_span_json());
  for (const std::string line :
       {"{\"format\":\"json\",\"version\":1}\n", "{\"format\": \"json\", \"version\": 1}\r\n"}) {
    for (const std::string mark : {"T1S", "T1U"}) {
      const auto decoded = decode_datagram(line + mark + base64_encode(request) + "\n", kNow);
      ASSERT_TRUE(decoded.has_value()) << decoded.error().sentence;
      EXPECT_EQ(*decoded->payload, request);
    }
    EXPECT_TRUE(decode_datagram(line + R"({"name": "hello"})", kNow).has_value());
    EXPECT_FALSE(decode_datagram(line + "T1S!!!", kNow).has_value());
    EXPECT_FALSE(decode_datagram(line, kNow).has_value());
  }
}

TEST(Datagram, WithNothingInItIsRefused) {
  for (const std::string_view bytes : {"", " \n", "hello", "{", "{}{}", "\x0a", "[1]"}) {
    EXPECT_FALSE(decode_datagram(bytes, kNow).has_value()) << bytes;
  }
}

TEST(Datagram, RandomBytesHurtNobody) {
  std::mt19937 dice(3);
  const std::string request = test::protobuf(test::one_span_json());
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = i % 2 == 0 ? request : std::string(dice() % 300, '\0');
    for (std::size_t j = 0; j < bytes.size(); ++j) {
      if (i % 2 == 1 || dice() % 20 == 0) bytes[j] = static_cast<char>(dice());
    }
    const auto decoded = decode_datagram(bytes, kNow);
    if (decoded) {
      EXPECT_TRUE(scan_traces_request(*decoded->payload).has_value());
    }
  }
}

}  // namespace
}  // namespace spanferry::ingest
