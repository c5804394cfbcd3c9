// A server on free ports before a spool in memory, and requests to send it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include "ingest/patience.hpp"
#include "ingest/server.hpp"
#include "model/otlp_json.hpp"
#include "tests/unit/ingest/fake_spool.hpp"
#include "tests/unit/ingest/raw_client.hpp"

namespace spanferry::test {

inline constexpr std::string_view kTrace = "0af7651916cd43dd8448eb211c80319c";

inline std::string span_json(std::string_view name, std::string_view trace = kTrace,
                             std::string_view span = "b7ad6b7169203331") {
  return R"({"traceId":")" + std::string(trace) + R"(","spanId":")" + std::string(span) + R"(","name":")" +
         std::string(name) + R"(","startTimeUnixNano":"1000","endTimeUnixNano":"2000"})";
}
inline std::string resource_json(std::string_view attributes, std::string_view spans) {
  return R"({"resource":{"attributes":[)" + std::string(attributes) + R"(]},"scopeSpans":[{"spans":[)" +
         std::string(spans) + "]}]}";
}
inline std::string attribute_json(std::string_view key, std::string_view value) {
  return R"({"key":")" + std::string(key) + R"(","value":{"stringValue":")" + std::string(value) + R"("}})";
}
inline std::string request_json(std::string_view resources) {
  return R"({"resourceSpans":[)" + std::string(resources) + "]}";
}
// One span of that name.
inline std::string one_span_json(std::string_view name = "chat") {
  return request_json(resource_json(attribute_json("service.name", "test"), span_json(name)));
}
inline std::string protobuf(std::string_view json) {
  bool repaired = false;
  auto request = traces_request_from_json(json, &repaired);
  EXPECT_TRUE(request.has_value());
  return request ? *request : std::string();
}

// "POST /v1/traces" with that body; `headers` are whole lines, each with its end.
inline std::string post(std::string_view body, std::string_view headers = "",
                        std::string_view type = "application/x-protobuf",
                        std::string_view path = "/v1/traces") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + std::string(type) +
         "\r\n" + std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}
inline std::string post_json(std::string_view body, std::string_view headers = "") {
  return post(body, headers, "application/json");
}

template <class Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

class Doors : public testing::Test {
 protected:
  void open(std::vector<ingest::Endpoint> endpoints = {}) {
    auto started = ingest::Server::start(settings, spool, std::move(endpoints), &patience);
    ASSERT_TRUE(started.has_value()) << started.error().sentence;
    server = std::move(*started);
  }
  [[nodiscard]] RawClient client() const { return RawClient(server->http_addresses().front()); }
  RawAnswer ask(std::string_view request) { return client().ask(request); }
  [[nodiscard]] std::uint64_t rejected(const std::string& reason) const {
    return server->status().rejected.at(reason);
  }

  ingest::Settings settings = [] {
    ingest::Settings s;
    s.http = {"127.0.0.1:0"};
    s.udp = {"127.0.0.1:0"};
    s.instance = "our-instance";
    return s;
  }();
  FakeSpool spool;
  ingest::Patience patience;
  std::unique_ptr<ingest::Server> server;
};

}  // namespace spanferry::test
