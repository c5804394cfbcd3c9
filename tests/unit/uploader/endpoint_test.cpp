#include "uploader/endpoint.hpp"

#include <gtest/gtest.h>

#include "model/percent_encode.hpp"

namespace spanferry::uploader {
namespace {

TEST(Endpoint, TakesAUrlApart) {
  const auto plain = parse_endpoint("https://Workspace.example/some/path/");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->scheme, "https");
  EXPECT_EQ(plain->host, "workspace.example");
  EXPECT_EQ(plain->port, 443);
  EXPECT_EQ(plain->path, "/some/path");
  const auto v6 = parse_endpoint("http://[::1]:5000");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 5000);
}

TEST(Endpoint, RefusesWhatIsNoUsableUrl) {
  for (const char* url : {"", "localhost:5000", "ftp://host", "http://", "http://host:port", "http://host:0",
                          "http://user:secret@host", "http://host/?a=b", "http://[::1"}) {
    const auto endpoint = parse_endpoint(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().kind, ErrorKind::configuration);
    EXPECT_EQ(endpoint.error().sentence.find("secret"), std::string::npos);
  }
}

TEST(Endpoint, AddsTheTracesPathOnce) {
  EXPECT_EQ(otlp_traces_url("http://host:1/"), "http://host:1/v1/traces");
  EXPECT_EQ(otlp_traces_url("http://host:1/v1/traces"), "http://host:1/v1/traces");
  EXPECT_EQ(otlp_traces_url("http://host:1/otlp"), "http://host:1/otlp/v1/traces");
}

TEST(Endpoint, EncodesForAQuery) { EXPECT_EQ(percent_encode("/Shared/a b&c_1"), "%2FShared%2Fa%20b%26c_1"); }

TEST(Endpoint, RecognisesOurOwnListeners) {
  const std::vector<std::string> own{"127.0.0.1:4318", "[::1]:4318", "10.0.0.7:9000"};
  for (const char* url : {"http://localhost:4318", "http://127.0.0.1:4318/v1/traces", "http://[::1]:4318",
                          "http://127.9.9.9:4318", "http://10.0.0.7:9000"})
    EXPECT_TRUE(is_own_listener(*parse_endpoint(url), own)) << url;
  for (const char* url : {"http://localhost:4319", "http://other.example:4318", "http://10.0.0.8:9000"})
    EXPECT_FALSE(is_own_listener(*parse_endpoint(url), own)) << url;
  EXPECT_TRUE(is_own_listener(*parse_endpoint("http://localhost:4318"), {"0.0.0.0:4318"}));
}

}  // namespace
}  // namespace spanferry::uploader
