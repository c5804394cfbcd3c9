#include <fmt/format.h>
#include <gtest/gtest.h>

#include "bench/load/backend.hpp"
#include "bench/load/numbered_id.hpp"
#include "bench/load/payload.hpp"

namespace spanferry::bench {
namespace {

constexpr std::string_view kHead = "GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n";

Answer post(Backend& backend, std::string_view target, std::string_view body, std::string_view head = kHead) {
  return backend.answer({"POST", target, head, body});
}

Answer start(Backend& backend, const std::string& id) {
  return post(backend, "/api/3.0/mlflow/traces",
              fmt::format(R"({{"trace":{{"trace_info":{{"trace_id":"{}","state":"OK"}}}}}})", id));
}

TEST(WorkspaceBackend, BooksTheSpansOfATraceThatWasStarted) {
  const auto backend = make_workspace_backend({});
  const TraceId trace = trace_id_of({.seed = 7, .request = 0, .low = 1});
  const SpanId span = span_id_of({.seed = 7, .request = 0, .low = 0});
  const std::string id = "tr-" + trace.hex();
  const std::string credentials = "/api/2.0/mlflow/traces/" + id + "/credentials-for-data-upload";
  EXPECT_EQ(backend->answer({"GET", credentials, kHead, ""}).status, 404);
  const Answer started = start(*backend, id);
  EXPECT_EQ(started.status, 200);
  EXPECT_NE(started.body.find(R"("state":"OK")"), std::string::npos) << started.body;
  const Answer given = backend->answer({"GET", credentials, kHead, ""});
  EXPECT_NE(given.body.find("http://127.0.0.1:1/storage/" + id), std::string::npos) << given.body;
  const std::string file =
      fmt::format(R"({{"spans":[{{"trace_id":"{}","span_id":"{}"}}]}})", trace.base64(), span.base64());
  EXPECT_EQ(backend->answer({"PUT", "/storage/" + id, kHead, file}).status, 200);
  Ledger ledger(7, 2);
  ledger.acknowledge(0);
  EXPECT_EQ(backend->compare(ledger).missing, 1U);  // of two
  EXPECT_EQ(backend->answer({"PUT", "/storage/" + id, kHead, file}).status, 200);
  EXPECT_EQ(backend->compare(ledger).duplicates, 1U);
  EXPECT_EQ(backend->answer({"PUT", "/storage/" + id, kHead, "no file"}).status, 400);
}

TEST(WorkspaceBackend, RefusesWhatIsBeyondItsLimit) {
  const auto backend = make_workspace_backend({.table_prefix = {}, .creations_per_s = 10});
  int taken = 0, refused = 0;
  for (int i = 0; i < 100; ++i) {
    const Answer answer = start(*backend, fmt::format("tr-{:032x}", i));
    ++(answer.status == 200 ? taken : refused);
    if (answer.status != 200) {
      EXPECT_EQ(answer.status, 429);
      EXPECT_EQ(answer.headers, "Retry-After: 1\r\n");
    }
  }
  // In one second of the clock, or at the change of two.
  EXPECT_GE(taken, 10);
  EXPECT_LE(taken, 20);
  EXPECT_EQ(refused, 100 - taken);
}

TEST(WorkspaceBackend, TakesSpansForItsTable) {
  const auto backend = make_workspace_backend({.table_prefix = "main.bench.app"});
  Payload payload(*shape_named("one"), 0);
  std::string body = payload.bytes();
  payload.number(body.data(), 3, 0);
  const std::string_view head =
      "POST / HTTP/1.1\r\nX-Databricks-UC-Table-Name: main.bench.app_otel_spans\r\n\r\n";
  EXPECT_EQ(post(*backend, "/api/2.0/otel/v1/traces", body).status, 404);
  EXPECT_EQ(post(*backend, "/api/2.0/otel/v1/traces", body, head).status, 200);
  EXPECT_EQ(post(*backend, "/api/2.0/otel/v1/traces", "\xff", head).status, 400);
  Ledger ledger(3, 1);
  ledger.acknowledge(0);
  EXPECT_EQ(backend->compare(ledger).missing, 0U);
}

}  // namespace
}  // namespace spanferry::bench
