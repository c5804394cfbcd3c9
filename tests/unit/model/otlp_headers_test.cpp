#include "model/otlp_headers.hpp"

#include <gtest/gtest.h>

namespace spanferry {
namespace {

TEST(OtlpHeaders, AreReadAsOpenTelemetryWritesThem) {
  const Headers both{{"api-key", "a b"}, {"x-tenant", "t=1"}};
  EXPECT_EQ(parse_otlp_headers("api-key=a%20b,x-tenant=t=1").value(), both);
  EXPECT_EQ(parse_otlp_headers(" api-key = a%20b , x-tenant=t=1 ,").value(), both);
  EXPECT_EQ(parse_otlp_headers("api-key=a%20b\r\nx-tenant=t=1\n").value(), both);
  EXPECT_EQ(parse_otlp_headers("x=100%").value(), (Headers{{"x", "100%"}}));
  EXPECT_EQ(parse_otlp_headers("x=").value(), (Headers{{"x", ""}}));
  EXPECT_TRUE(parse_otlp_headers("").value().empty());
}

TEST(OtlpHeaders, ThatAreNoneAreRefusedWithoutTheirValues) {
  for (const char* text :
       {"s3cret", "=s3cret", "a b=s3cret", "a:b=s3cret", "x=s3cret%0d%0ay: z", "x=s3cret%00"}) {
    const auto parsed = parse_otlp_headers(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::invalid_input);
    EXPECT_EQ(parsed.error().sentence.find("s3cret"), std::string::npos);
  }
}

}  // namespace
}  // namespace spanferry
