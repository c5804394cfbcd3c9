#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/otlp_answer.hpp"
#include "daemon/quantities.hpp"
#include "daemon/show_status.hpp"
#include "daemon/show_trace.hpp"
#include "model/otlp_json.hpp"

namespace spanferry::daemon {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Quantities, AreWrittenForPeople) {
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(3 << 19), "1.5 MiB");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(count_text(-1234), "-1,234");
  EXPECT_EQ(milliseconds_text(0.25), "0.25 ms");
  EXPECT_EQ(milliseconds_text(1430), "1.43 s");
  EXPECT_EQ(age_text(0.5), "0.5 s");
  EXPECT_EQ(age_text(120), "2 min");
  EXPECT_EQ(age_text(7380), "2 h 3 min");
  EXPECT_EQ(age_text(90'000), "1 d 1 h");
}

TEST(Status, ShowsSpoolDoorsAndDestinations) {
  const auto text = show_status(R"({"version":"1.2","uptime_s":61.0,
    "spool":{"directory":"/var/lib/spanferry","records":2,"spans":1500,"bytes":1048576,"max_bytes":10737418240,
             "oldest_age_s":3.5,"lost_records":0,"quarantined_records":0},
    "accepted":{"spans":12345,"requests":7,"by_source":{"http":12340,"udp":5}},
    "rejected":{"malformed":2,"full":0},
    "destinations":[
      {"name":"workspace","kind":"databricks","state":"paused_auth","reason":"401: set a new token","delivered_spans":10845,
       "lag_records":2,"lag_s":3.5,"dead_letters":1,"accounting":{"pending":1500}},
      {"name":"m","kind":"mlflow","state":"ok","last_error":"an old one","delivered_spans":12345,"lag_records":0,
       "lag_s":0.0,"dead_letters":0,"accounting":{"pending":0}}]})");
  ASSERT_TRUE(text) << text.error().sentence;
  EXPECT_EQ(*text,
            "spanferry 1.2, up 1 min 1 s\n"
            "spool     1.0 MiB of 10.0 GiB, 1,500 spans in 2 records, oldest 3.5 s ago  /var/lib/spanferry\n"
            "accepted  12,345 spans in 7 requests (http 12,340, udp 5)\n"
            "rejected  malformed 2\n"
            "\n"
            "DESTINATION  KIND        STATE        DELIVERED  PENDING    LAG  DEAD LETTERS\n"
            "workspace    databricks  paused_auth     10,845    1,500  3.5 s             1\n"
            "  401: set a new token\n"
            "m            mlflow      ok              12,345        0      -             0\n");
}

TEST(Status, SaysWhenSpansAreRefused) {
  EXPECT_THAT(*show_status(R"({"spool":{"not_accepting_reason":"max_bytes"}})"),
              HasSubstr("REFUSING  new spans: max_bytes"));
}

TEST(Status, TellsHowFastADestinationTakesWhat) {
  EXPECT_THAT(*show_status(R"({"destinations":[{"name":"w","rates":{"create":193.6}}]})"),
              HasSubstr("takes 194 requests a second (create), as its refusals have shown"));
}

TEST(Status, BearsAnAnswerThatIsNone) {
  EXPECT_FALSE(show_status("<html>"));
  EXPECT_TRUE(show_status("{}"));
  EXPECT_TRUE(show_status("[1]"));
  EXPECT_TRUE(show_status(R"({"spool":7,"destinations":[1,{"name":5}],"accepted":{"by_source":[]}})"));
}

TEST(Trace, IsATreeByParentsInOrderOfTime) {
  const auto text = show_trace(R"({"trace_id":"0af7651916cd43dd8448eb211c80319c","spans":[
    {"span_id":"03","parent_span_id":"01","name":"chat gpt-4o","type":"CHAT_MODEL","status":"OK","duration_ms":1201.0,
     "start_time_unix_nano":"1700000000224000000",
     "attributes":{"gen_ai.usage.input_tokens":1204,"gen_ai.usage.output_tokens":188}},
    {"span_id":"02","parent_span_id":"01","name":"search","type":"RETRIEVER","status":"ERROR","status_message":"no index",
     "duration_ms":20.5,"start_time_unix_nano":"1700000000012000000"},
    {"span_id":"01","parent_span_id":"","name":"answer","type":"CHAIN","status":"OK","duration_ms":1430.0,
     "start_time_unix_nano":"1700000000000000000"},
    {"span_id":"04","parent_span_id":"02","name":"embed","type":"UNKNOWN","status":"UNSET","duration_ms":5.0,
     "start_time_unix_nano":"1700000000013000000"}],
    "delivery":[{"destination":"workspace","settled":true},{"destination":"backup","settled":false}]})");
  ASSERT_TRUE(text) << text.error().sentence;
  EXPECT_EQ(*text,
            "trace 0af7651916cd43dd8448eb211c80319c\n"
            "  answer         CHAIN          1.43 s  OK\n"
            "    search       RETRIEVER     20.5 ms  ERROR  no index\n"
            "      embed                       5 ms  UNSET\n"
            "    chat gpt-4o  CHAT_MODEL     1.20 s  OK     1204 + 188 tokens\n"
            "  delivered to workspace\n"
            "  waiting for backup\n");
}

TEST(Trace, ReadsTokensOfMlflowsOwnAttributeToo) {
  EXPECT_THAT(*show_trace(R"({"spans":[{"span_id":"1","name":"x","attributes":
    {"mlflow.chat.tokenUsage":"{\"input_tokens\": 3, \"output_tokens\": 4, \"total_tokens\": 7}"}}]})"),
              HasSubstr("3 + 4 tokens"));
}

TEST(Trace, LeavesOutNoSpanWhateverTheParentsSay) {
  const auto text = show_trace(R"({"spans":[{"span_id":"1","parent_span_id":"2","name":"ring-a"},
    {"span_id":"2","parent_span_id":"1","name":"ring-b"},{"span_id":"3","parent_span_id":"3","name":"own-parent"},
    {"span_id":"4","parent_span_id":"9","name":"orphan"},{"span_id":"4","parent_span_id":"9","name":"same-id"}]})");
  for (const auto* name : {"ring-a", "ring-b", "own-parent", "orphan", "same-id"})
    EXPECT_THAT(*text, HasSubstr(name));
}

TEST(Trace, BearsAChainOfAnyLength) {
  std::string json = R"({"spans":[)";
  for (int i = 0; i < 20'000; ++i)
    json += fmt::format("{}{{\"span_id\":\"{}\",\"parent_span_id\":\"{}\",\"name\":\"s\"}}", i ? "," : "",
                        i + 1, i);
  EXPECT_TRUE(show_trace(json + "]}"));
}

TEST(Trace, DoesNotLetANameDriveTheTerminal) {
  EXPECT_THAT(*show_trace("{\"spans\":[{\"span_id\":\"1\",\"name\":\"\\u001b[2Jx\\ny\"}]}"),
              Not(HasSubstr("\x1b")));
}

TEST(Trace, WhosePayloadIsGoneIsShownByItsSummary) {
  EXPECT_THAT(*show_trace(R"({"trace_id":"aa","summary":{"name":"answer","spans":4},"delivery":[]})"),
              HasSubstr("answer: 4 spans; delivered"));
}

TEST(OtlpAnswer, IsReadFromProtobuf) {
  EXPECT_EQ(partial_success_text(""), "");
  EXPECT_EQ(partial_success_text(export_response(OtlpEncoding::protobuf, 2, "ids of 15 bytes")),
            "2 spans refused: ids of 15 bytes");
  EXPECT_EQ(rpc_status_text(rpc_status(OtlpEncoding::protobuf, 3, "not a request")), "not a request");
  EXPECT_FALSE(partial_success_text("\xff\xff\xff").empty());
}

}  // namespace
}  // namespace spanferry::daemon
