#include "model/clock.hpp"
#include "model/otlp_span.hpp"
#include "tests/unit/ingest/doors.hpp"

namespace spanferry::test {
namespace {

class HttpTraces : public Doors {};

TEST_F(HttpTraces, AreAnsweredWhenTheyAreDurableAndKeptByteForByte) {
  open();
  const std::string body = protobuf(one_span_json());
  spool.hold();
  RawClient c = client();
  c.send(post(body, "User-Agent: test-client/1.0\r\n"));
  ASSERT_TRUE(spool.wait_for_appends(1));
  EXPECT_EQ(server->status().accepted_requests, 0U);
  spool.release();
  const RawAnswer answer = c.receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "application/x-protobuf");
  EXPECT_EQ(answer.body, "");
  const auto records = spool.records();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(*records[0].payload, body);
  const RecordHeader& header = records[0].header;
  EXPECT_EQ(header.kind, RecordKind::spans);
  EXPECT_EQ(header.source, Source::http);
  EXPECT_EQ(header.span_count, 1U);
  EXPECT_EQ(header.trace_count, 1U);
  EXPECT_EQ(header.only_trace->hex(), kTrace);
  EXPECT_EQ(header.client, "test-client/1.0");
  EXPECT_FALSE(header.repaired);
  EXPECT_GT(header.received_ns, 0);
  EXPECT_TRUE(header.route.is_default());
  EXPECT_EQ(server->status().accepted_spans, 1U);
}

TEST_F(HttpTraces, InJsonAreTranscodedAndAnsweredInJson) {
  open();
  const RawAnswer answer = ask(post(one_span_json(), "", "application/json; charset=utf-8"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(answer.body, "{}");
  ASSERT_EQ(spool.records().size(), 1U);
  EXPECT_EQ(*spool.records()[0].payload, protobuf(one_span_json()));
}

TEST_F(HttpTraces, AreTakenWhereDatabricksTakesThem) {
  open();
  EXPECT_EQ(ask(post(protobuf(one_span_json()), "X-Databricks-UC-Table-Name: a.b.spans\r\n",
                     "application/x-protobuf", "/api/2.0/otel/v1/traces"))
                .status,
            200);
  EXPECT_EQ(spool.records().at(0).header.route.table, "a.b.spans");
}

TEST_F(HttpTraces, ThatAreEmptyAreFineAndKeepNothing) {
  open();
  EXPECT_EQ(ask(post("")).status, 200);
  EXPECT_EQ(ask(post("", "Content-Encoding: gzip\r\n")).status, 200);
  EXPECT_EQ(ask(post_json("{}")).status, 200);
  EXPECT_EQ(spool.appends(), 0U);
}

TEST_F(HttpTraces, WithBadSpansAreKeptInPart) {
  open();
  const std::string spans = span_json("good") + "," + span_json("bad", "0102");
  const RawAnswer answer = ask(post_json(request_json(resource_json("", spans))));
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.body.find(R"("rejectedSpans":"1")"), std::string::npos) << answer.body;
  ASSERT_EQ(spool.records().size(), 1U);
  EXPECT_EQ(spool.records()[0].header.span_count, 1U);
  EXPECT_TRUE(spool.records()[0].header.repaired);
  EXPECT_EQ(rejected("refused_spans"), 1U);
}

TEST_F(HttpTraces, AllOfThemBadKeepNothingAndSaySo) {
  open();
  const RawAnswer answer = ask(post_json(request_json(resource_json("", span_json("bad", "0102")))));
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.body.find("rejectedSpans"), std::string::npos);
  EXPECT_EQ(spool.appends(), 0U);
}

TEST_F(HttpTraces, ThatAreMalformedGetAStatusInTheirEncoding) {
  open();
  const RawAnswer binary = ask(post("\xff\xff\xff"));
  EXPECT_EQ(binary.status, 400);
  EXPECT_EQ(binary.header("content-type"), "application/x-protobuf");
  EXPECT_TRUE(binary.body.starts_with("\x08\x03")) << "code 3, INVALID_ARGUMENT";
  const RawAnswer json = ask(post_json(R"({"resourceSpans": 3})"));
  EXPECT_EQ(json.status, 400);
  EXPECT_EQ(json.header("content-type"), "application/json");
  EXPECT_NE(json.body.find(R"("code":3)"), std::string::npos) << json.body;
  EXPECT_EQ(rejected("malformed"), 2U);
}

TEST_F(HttpTraces, NestedTooDeepAreRefused) {
  open();
  const std::string deep = R"({"resourceSpans":)" + std::string(10000, '[') + std::string(10000, ']') + "}";
  EXPECT_EQ(ask(post_json(deep)).status, 400);
}

TEST_F(HttpTraces, NeedAKnownContentTypeAndEncoding) {
  open();
  const RawAnswer type = ask(post("x", "", "text/plain"));
  EXPECT_EQ(type.status, 415);
  EXPECT_EQ(type.header("content-type"), "application/json");
  EXPECT_EQ(ask(post("x", "Content-Encoding: br\r\n")).status, 415);
  EXPECT_EQ(rejected("unsupported_media"), 2U);
}

TEST_F(HttpTraces, FollowTheRouteOfTheirHeaders) {
  open();
  EXPECT_EQ(ask(post(protobuf(one_span_json()), "x-mlflow-experiment-id: 42\r\n")).status, 200);
  EXPECT_EQ(ask(post(protobuf(one_span_json()), "X-Spanferry-Experiment: /Shared/chat\r\n")).status, 200);
  EXPECT_EQ(ask(post(protobuf(one_span_json()), "x-mlflow-experiment-id: \r\n")).status, 200);
  EXPECT_EQ(ask(post(protobuf(one_span_json()), "x-mlflow-experiment-id: prod\r\n")).status, 400);
  const auto records = spool.records();
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0].header.route.experiment_id, "42");
  EXPECT_EQ(records[1].header.route.experiment_name, "/Shared/chat");
  EXPECT_TRUE(records[2].header.route.is_default());
}

TEST_F(HttpTraces, OfResourcesThatGoDifferentWaysAreSplitInOneAppend) {
  settings.routes = {{{{"service.name", "chat-*"}}, {"", "/Shared/chat", ""}}};
  open();
  const std::string other = "1af7651916cd43dd8448eb211c80319c";
  const std::string json = request_json(
      resource_json(attribute_json("service.name", "chat-eu"), span_json("a")) + "," +
      resource_json(attribute_json("mlflow.experiment_id", "7"), span_json("b", other)) + "," +
      resource_json(attribute_json("service.name", "chat-us"), span_json("c", other, "00f067aa0ba902b7")));
  EXPECT_EQ(ask(post_json(json)).status, 200);
  EXPECT_EQ(spool.appends(), 1U);
  const auto records = spool.records();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].header.route.experiment_name, "/Shared/chat");
  EXPECT_EQ(records[0].header.span_count, 2U);
  EXPECT_EQ(records[0].header.trace_count, 2U);
  EXPECT_EQ(records[1].header.route.experiment_id, "7");
  EXPECT_EQ(records[1].header.span_count, 1U);
  EXPECT_EQ(decode_traces_request(*records[0].payload)->spans.size(), 2U);
  EXPECT_EQ(decode_traces_request(*records[1].payload)->spans.at(0).name, "b");
}

TEST_F(HttpTraces, ASpoolThatIsFullAnswers503AndComeBack) {
  open();
  spool.refuse_appends(Error{ErrorKind::full, "max_bytes is reached"});
  const RawAnswer answer = ask(post(protobuf(one_span_json())));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.header("retry-after"), "1");
  EXPECT_EQ(rejected("full"), 1U);
  spool.refuse_appends(std::nullopt);
  spool.set_accepting(false);
  RawClient c = client();
  EXPECT_EQ(c.ask(post(protobuf(one_span_json()))).status, 503);
  spool.set_accepting(true);
  EXPECT_EQ(c.ask(post(protobuf(one_span_json()))).status, 200) << "the refused body was read away";
}

TEST_F(HttpTraces, MlflowsClientIsToldToGiveUpOnceASpoolTookNothingForFiveSeconds) {
  open();
  const auto send = [&](std::string_view client) {
    return ask(post(protobuf(one_span_json()), "User-Agent: " + std::string(client) + "\r\n")).status;
  };
  for (const bool at_once : {true, false}) {  // refused by its header, and after its body
    spool.set_accepting(!at_once);
    spool.refuse_appends(Error{ErrorKind::full, "max_bytes is reached"});
    EXPECT_EQ(send("mlflow-python-client/3.17.2"), 503);
    patience.renew();
    patience.is_over(unix_now_ms() - 5'001);
    EXPECT_EQ(send("mlflow-python-client/3.17.2"), 400);
    EXPECT_EQ(send("OTel-OTLP-Exporter-Python/1.45.0"), 503) << "that one waits in the background";
    spool.set_accepting(true);
    spool.refuse_appends(std::nullopt);
    EXPECT_EQ(send("OTel-OTLP-Exporter-Python/1.45.0"), 200);
    spool.refuse_appends(Error{ErrorKind::full, "max_bytes is reached"});
    EXPECT_EQ(send("mlflow-python-client/3.17.2"), 503) << "five seconds anew";
    patience.renew();
  }
  EXPECT_EQ(rejected("full"), 8U);
}

}  // namespace
}  // namespace spanferry::test
