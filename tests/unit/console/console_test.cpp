#include "console/console.hpp"

#include <gtest/gtest.h>
#include <simdjson.h>

#include "model/otlp_scan.hpp"
#include "tests/unit/ingest/doors.hpp"

namespace spanferry::console {
namespace {

using test::attribute_json;
using test::kTrace;
using test::request_json;
using test::resource_json;
using test::span_json;

// JSON as a test looks at it.
class Parsed {
 public:
  explicit Parsed(const std::string& text) : text_(text) {
    const auto error = parser_.parse(text_).get(root_);
    EXPECT_EQ(error, simdjson::SUCCESS) << text;
  }
  // By JSON pointer ("/spool/records").
  [[nodiscard]] simdjson::dom::element at(std::string_view pointer) const {
    simdjson::dom::element found;
    EXPECT_EQ(root_.at_pointer(pointer).get(found), simdjson::SUCCESS) << pointer << " in " << text_;
    return found;
  }
  [[nodiscard]] bool has(std::string_view pointer) const {
    return root_.at_pointer(pointer).error() == simdjson::SUCCESS;
  }
  [[nodiscard]] std::string text(std::string_view pointer) const {
    std::string_view found;
    EXPECT_EQ(at(pointer).get(found), simdjson::SUCCESS) << pointer;
    return std::string(found);
  }
  [[nodiscard]] std::int64_t number(std::string_view pointer) const {
    std::int64_t found = -1;
    EXPECT_EQ(at(pointer).get(found), simdjson::SUCCESS) << pointer;
    return found;
  }

 private:
  simdjson::dom::parser parser_;
  std::string text_;
  simdjson::dom::element root_;
};

DestinationStatus some_destination() {
  DestinationStatus d;
  d.name = "workspace";
  d.kind = "databricks";
  d.state = DestinationState::paused_auth;
  d.reason = "the token is refused";
  d.delivered_spans = 7;
  d.retries = 3;
  d.accounting.accepted = 10;
  d.accounting.settled[Outcome::delivered] = 7;
  d.accounting.settled[Outcome::dead] = 1;
  d.accounting.pending = 2;
  return d;
}

class Console : public testing::Test {
 protected:
  void append(std::string_view json) {
    spool::Entry entry;
    auto payload = std::make_shared<const std::string>(test::protobuf(json));
    const auto scan = scan_traces_request(*payload).value();
    entry.header.span_count = scan.spans;
    entry.traces = scan.traces;
    entry.payload = payload;
    std::vector<spool::Entry> entries;
    entries.push_back(std::move(entry));
    const std::size_t before = spool.records().size();
    spool.append(std::move(entries), [](const Result<spool::Appended>&) {});
    ASSERT_TRUE(spool.wait_for_records(before + 1));
  }

  test::FakeSpool spool;
  Sources sources{
      .spool = &spool,
      .version = "1.2.3",
      .instance = "here",
      .uptime_s = [] { return 5.5; },
      .started = {},
      .ingest =
          [] {
            IngestStatus s;
            s.accepted_spans = 10;
            s.accepted_requests = 4;
            s.accepted_by_source = {{"http", 9}, {"udp", 1}};
            s.rejected = {{"malformed", 2}};
            return s;
          },
      .destinations = [] { return std::vector{some_destination()}; },
      .delivery = [](const TraceId&,
                     const std::vector<Seq>&) { return std::vector<TraceDelivery>{{"workspace", true}}; },
  };
};

TEST_F(Console, StatusHasEveryKeyThatScriptsReadIt) {
  append(request_json(resource_json("", span_json("a"))));
  const Reply reply = status(sources);
  EXPECT_EQ(reply.status, 200);
  const Parsed json(reply.body);
  EXPECT_EQ(json.text("/version"), "1.2.3");
  EXPECT_TRUE(json.has("/uptime_s"));
  for (const char* key : {"records", "spans", "bytes", "oldest_age_s", "first_seq", "last_seq",
                          "quarantined_records", "lost_records"}) {
    EXPECT_TRUE(json.has(std::string("/spool/") + key)) << key;
  }
  EXPECT_EQ(json.number("/spool/spans"), 1);
  EXPECT_EQ(json.number("/accepted/spans"), 10);
  EXPECT_EQ(json.number("/accepted/requests"), 4);
  EXPECT_EQ(json.number("/accepted/by_source/udp"), 1);
  EXPECT_EQ(json.number("/rejected/malformed"), 2);
  EXPECT_EQ(json.text("/destinations/0/state"), "paused_auth");
  for (const char* key : {"name", "kind", "delivered_spans", "lag_records", "lag_s", "retries",
                          "dead_letters", "parked_records", "last_error"}) {
    EXPECT_TRUE(json.has(std::string("/destinations/0/") + key)) << key;
  }
  std::int64_t left = 0;
  for (const char* outcome :
       {"delivered", "dead", "deleted", "dropped", "lost", "not_applicable", "not_routed", "pending"}) {
    left += json.number(std::string("/destinations/0/accounting/") + outcome);
  }
  EXPECT_EQ(left, json.number("/destinations/0/accounting/accepted") +
                      json.number("/destinations/0/accounting/recovered"));
}

TEST_F(Console, ATraceIsMergedFromItsRecordsAndEachSpanIsShownOnce) {
  const std::string child =
      R"({"traceId":")" + std::string(kTrace) +
      R"(","spanId":"00f067aa0ba902b7","parentSpanId":"b7ad6b7169203331","name":"tool","kind":3,)"
      R"("startTimeUnixNano":"1200000","endTimeUnixNano":"3700000","status":{"code":2,"message":"no"},)"
      R"("attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},)"
      R"({"key":"n","value":{"intValue":"9007199254740993"}}]})";
  append(request_json(resource_json("", child)));
  append(request_json(resource_json(attribute_json("service.name", "app"), span_json("first"))));
  append(request_json(resource_json(attribute_json("service.name", "app"), span_json("again"))));
  append(request_json(resource_json("", span_json("foreign", "1af7651916cd43dd8448eb211c80319c"))));
  for (const std::string& id : {std::string(kTrace), "tr-" + std::string(kTrace)}) {
    const Reply reply = trace(sources, id);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const Parsed json(reply.body);
    EXPECT_EQ(json.text("/trace_id"), kTrace);
    EXPECT_EQ(json.text("/spans/0/name"), "again") << "the last one received counts";
    EXPECT_TRUE(json.at("/spans/0/parent_span_id").is_null());
    EXPECT_EQ(json.text("/spans/0/resource/service.name"), "app");
    EXPECT_EQ(json.text("/spans/1/name"), "tool");
    EXPECT_EQ(json.text("/spans/1/parent_span_id"), "b7ad6b7169203331");
    EXPECT_EQ(json.text("/spans/1/kind"), "CLIENT");
    EXPECT_EQ(json.text("/spans/1/status"), "ERROR");
    EXPECT_EQ(json.text("/spans/1/status_message"), "no");
    EXPECT_EQ(json.text("/spans/1/start_time_unix_nano"), "1200000");
    EXPECT_EQ(double(json.at("/spans/1/duration_ms")), 2.5);
    EXPECT_EQ(json.number("/spans/1/attributes/n"), 9007199254740993);
    EXPECT_FALSE(json.has("/spans/2"));
    EXPECT_EQ(json.text("/delivery/0/destination"), "workspace");
  }
}

TEST_F(Console, ATraceWhosePayloadsAreGoneIsShownAsItsSummary) {
  spool::TraceSummary summary;
  summary.trace_id = *TraceId::from_hex(kTrace);
  summary.name = "chat";
  summary.spans = 3;
  spool.add_summary(summary);
  const Reply reply = trace(sources, kTrace);
  ASSERT_EQ(reply.status, 200);
  const Parsed json(reply.body);
  EXPECT_FALSE(json.has("/spans"));
  EXPECT_EQ(json.number("/summary/spans"), 3);
  summary.deleted = true;
  spool.add_summary(summary);
  EXPECT_EQ(trace(sources, kTrace).status, 404) << "not once it was deleted";
}

TEST_F(Console, AnUnknownTraceIs404AndAnIdThatIsNone400) {
  EXPECT_EQ(trace(sources, kTrace).status, 404);
  const Reply reply = trace(sources, "xyz");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(Parsed(reply.body).text("/error_code"), "INVALID_PARAMETER_VALUE");
}

TEST_F(Console, TracesAreListedPageByPage) {
  for (Seq seq = 5; seq >= 1; --seq) {
    spool::TraceSummary summary;
    summary.first_seq = 1;
    summary.last_seq = seq;
    summary.name = "n" + std::to_string(seq);
    spool.add_summary(summary);
  }
  const Parsed first(traces(sources, "limit=3").body);
  EXPECT_EQ(first.text("/traces/0/name"), "n5");
  EXPECT_EQ(first.number("/next_before"), 3);
  const Parsed second(traces(sources, "limit=3&before=3").body);
  EXPECT_EQ(second.text("/traces/0/name"), "n2");
  EXPECT_TRUE(second.at("/next_before").is_null());
  for (const char* query : {"limit=0", "limit=1001", "limit=x", "before=-1", "limit="}) {
    EXPECT_EQ(traces(sources, query).status, 400) << query;
  }
}

TEST_F(Console, DeadLettersAreListed) {
  spool::DeadLetter letter;
  letter.destination = "workspace";
  letter.seq = 4;
  letter.trace_id = *TraceId::from_hex(kTrace);
  letter.status = 400;
  letter.reason = "refused";
  spool.add_dead_letter(letter);
  const Parsed json(dead_letters(sources, "destination=workspace&limit=10").body);
  EXPECT_EQ(json.number("/dead_letters/0/status"), 400);
  EXPECT_EQ(json.text("/dead_letters/0/trace_id"), kTrace);
  EXPECT_TRUE(json.at("/dead_letters/0/span_id").is_null());
}

TEST_F(Console, ADeadLetterIsShownWithItsPayloadUntilItIsDropped) {
  spool::DeadLetter letter;
  letter.destination = "workspace";
  letter.seq = 4;
  letter.trace_id = *TraceId::from_hex(kTrace);
  letter.payload = "ab";
  spool.add_dead_letter(letter);
  EXPECT_EQ(Parsed(dead_letter(sources, letter.id()).body).text("/payload"), "YWI=");
  EXPECT_EQ(dead_letter(sources, "workspace/5/x/y").status, 404);
  EXPECT_EQ(retry_dead_letters(sources, "workspace/5/x/y").status, 404);
  EXPECT_EQ(Parsed(drop_dead_letters(sources, letter.id()).body).number("/dropped"), 1);
  EXPECT_EQ(dead_letter(sources, letter.id()).status, 404);
  EXPECT_EQ(drop_dead_letters(sources, "workspace").status, 404);
}

TEST_F(Console, IsReadyWheneverSpansAreTakenWhateverTheDestinationsDo) {
  const Reply ready = readyz(sources, "");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(Parsed(ready.body).text("/destinations/0/state"), "paused_auth");
  EXPECT_EQ(readyz(sources, "destinations").status, 503);
  EXPECT_EQ(readyz(sources, "", false).body.find("token"), std::string::npos) << "not for every peer";
  spool.set_accepting(false);
  const Reply full = readyz(sources, "");
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(Parsed(full.body).text("/reason"), "max_bytes");
}

TEST_F(Console, IsNotReadyBeforeItsDestinationsAreThere) {
  bool started = false;
  sources.started = [&started] { return started; };
  const Reply early = readyz(sources, "");
  EXPECT_EQ(early.status, 503);
  EXPECT_NE(early.body.find("\"starting\""), std::string::npos) << early.body;
  started = true;
  EXPECT_EQ(readyz(sources, "").status, 200);
}

TEST_F(Console, IsAliveWhileTheSpoolCommits) {
  EXPECT_EQ(livez(sources).status, 200);
  spool.hold();
  EXPECT_EQ(livez(sources).status, 503);
}

TEST_F(Console, MetricsTellWhatStatusTells) {
  const Reply reply = metrics(sources);
  EXPECT_TRUE(reply.content_type.starts_with("text/plain; version=0.0.4"));
  for (const char* line :
       {"# HELP spanferry_ingest_accepted_spans_total ",
        "# TYPE spanferry_ingest_accepted_spans_total counter\n",
        "spanferry_ingest_accepted_spans_total{source=\"http\"} 9\n",
        "spanferry_ingest_rejected_total{reason=\"malformed\"} 2\n",
        "spanferry_destination_state{destination=\"workspace\",kind=\"databricks\",state=\"paused_auth\"} "
        "1\n",
        "spanferry_destination_settled_spans_total{destination=\"workspace\",kind=\"databricks\",outcome="
        "\"dead\"} 1\n",
        "spanferry_destination_pending_spans{destination=\"workspace\",kind=\"databricks\"} 2\n",
        "spanferry_build_info{version=\"1.2.3\"} 1\n"}) {
    EXPECT_NE(reply.body.find(line), std::string::npos) << line << "\n" << reply.body;
  }
}

}  // namespace
}  // namespace spanferry::console
