#include "tests/unit/ingest/doors.hpp"

namespace spanferry::test {
namespace {

using ingest::Audience;
using ingest::Endpoint;
using Reply = std::move_only_function<void(ingest::Response)>;

std::vector<Endpoint> endpoints() {
  auto threads = std::make_shared<std::vector<std::jthread>>();
  return {
      {"GET", "/api/spanferry/v1/traces/", Audience::loopback,
       [](const ingest::Request& r, Reply reply) {
         reply({200, "text/plain", std::string(r.path) + "|" + std::string(r.query), {{"X-Extra", "1"}}});
       }},
      {"GET", "/api/spanferry/v1/traces", Audience::loopback,
       [](const ingest::Request&, Reply reply) { reply({200, "text/plain", "list", {}}); }},
      {"POST", "/api/echo", Audience::loopback,
       [](const ingest::Request& r, Reply reply) { reply({200, "text/plain", std::string(r.body), {}}); }},
      {"GET", "/api/later", Audience::loopback,
       [threads](const ingest::Request& r, Reply reply) {
         threads->emplace_back([&r, reply = std::move(reply)]() mutable {
           reply({200, "text/plain", std::string(r.path), {}});
         });
       }},
      {"GET", "/api/forgets", Audience::loopback, [](const ingest::Request&, Reply) {}},
      {"GET", "/api/throws", Audience::loopback,
       [](const ingest::Request&, Reply) { throw std::runtime_error("broken"); }},
  };
}

std::string ask_for(std::string_view method, std::string_view target, std::string_view rest = "\r\n") {
  return std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" +
         std::string(rest);
}

class Endpoints : public Doors {};

TEST_F(Endpoints, AreFoundByPathAndByPrefixWithEncodingUndone) {
  open(endpoints());
  const RawAnswer answer = ask(ask_for("GET", "/api/spanferry/v1/traces/tr%2D12?full=%31"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "/api/spanferry/v1/traces/tr-12|full=%31");
  EXPECT_EQ(answer.header("content-type"), "text/plain");
  EXPECT_EQ(answer.header("x-extra"), "1");
  EXPECT_EQ(ask(ask_for("GET", "/api/spanferry/v1/traces")).body, "list");
}

TEST_F(Endpoints, AnswerHeadWithoutTheBody) {
  open(endpoints());
  RawClient c = client();
  c.send(ask_for("HEAD", "/api/spanferry/v1/traces"));
  const RawAnswer answer = c.receive(true);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-length"), "4");
  EXPECT_EQ(c.ask(ask_for("GET", "/api/spanferry/v1/traces")).body, "list");
}

TEST_F(Endpoints, TakeBodies) {
  open(endpoints());
  EXPECT_EQ(ask(ask_for("POST", "/api/echo", "Content-Length: 5\r\n\r\nhello")).body, "hello");
  EXPECT_EQ(ask(ask_for("POST", "/api/echo", "Content-Length: 2000000\r\n\r\n")).status, 413);
}

TEST_F(Endpoints, GetABodyOfItsLengthWhateverThatIs) {
  open(endpoints());
  for (std::size_t size = 0; size < 100; ++size) {
    const std::string body(size, 'x');
    EXPECT_EQ(
        ask(ask_for("POST", "/api/echo", "Content-Length: " + std::to_string(size) + "\r\n\r\n" + body)).body,
        body);
  }
}

TEST_F(Endpoints, MayAnswerLaterAndAreAnsweredForWhenTheyDoNot) {
  open(endpoints());
  EXPECT_EQ(ask(ask_for("GET", "/api/later")).body, "/api/later");
  EXPECT_EQ(ask(ask_for("GET", "/api/forgets")).status, 500);
  EXPECT_EQ(ask(ask_for("GET", "/api/throws")).status, 500);
}

TEST_F(Endpoints, UnknownPathsAre404InTheFormOfTheirClients) {
  open(endpoints());
  const RawAnswer api = ask(ask_for("GET", "/api/2.0/mlflow/nothing"));
  EXPECT_EQ(api.status, 404);
  EXPECT_TRUE(api.body.starts_with(R"({"error_code":"ENDPOINT_NOT_FOUND")")) << api.body;
  const RawAnswer otlp = ask(post("", "", "application/x-protobuf", "/v1/logs"));
  EXPECT_EQ(otlp.status, 404);
  EXPECT_EQ(otlp.header("content-type"), "application/x-protobuf");
  EXPECT_EQ(rejected("not_found"), 2U);
}

TEST_F(Endpoints, WrongMethodsAre405AndNameTheRightOnes) {
  open(endpoints());
  const RawAnswer traces = ask(ask_for("GET", "/v1/traces"));
  EXPECT_EQ(traces.status, 405);
  EXPECT_EQ(traces.header("allow"), "POST");
  const RawAnswer list = ask(ask_for("DELETE", "/api/spanferry/v1/traces"));
  EXPECT_EQ(list.status, 405);
  EXPECT_EQ(list.header("allow"), "GET, HEAD");
  EXPECT_EQ(rejected("method"), 2U);
}

}  // namespace
}  // namespace spanferry::test
