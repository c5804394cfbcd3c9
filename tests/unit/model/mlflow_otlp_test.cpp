#include "model/mlflow_otlp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/mlflow_json.hpp"
#include "model/otlp_span.hpp"

namespace spanferry::mlflow {
namespace {

using ::testing::SizeIs;

constexpr const char* kFile = R"({"spans":[{"trace_id":"Z80yV6Xz2kn0x1n7u6ZzHg==","span_id":"AAAAAAAAAAE=",
"parent_span_id":null,"name":"root","start_time_unix_nano":1795486895208126734,
"end_time_unix_nano":1795486901632468589,
"events":[{"name":"exception","time_unix_nano":1795486895208126735,"attributes":{"exception.type":"ValueError"}}],
"status":{"code":"STATUS_CODE_ERROR","message":"broken"},
"attributes":{"mlflow.traceRequestId":"\"tr-67cd3257a5f3da49f4c759fbbba6731e\"","text":"\"plain\"","n":"10",
"half":"0.5","yes":"true","nothing":"null","object":"{\"a\":[1,\"b\"]}","json":"\"{\\\"a\\\": 1}\""},
"links":[{"trace_id":"tr-00000000000000000000000000000002","span_id":"0000000000000003","attributes":{"k":1}}]},
{"trace_id":"Z80yV6Xz2kn0x1n7u6ZzHg==","span_id":"AAAAAAAAAAI=","parent_span_id":"AAAAAAAAAAE=","name":"child",
"start_time_unix_nano":1,"end_time_unix_nano":null,"events":[],"status":{"code":"STATUS_CODE_UNSET","message":""},
"attributes":{},"links":[]}]})";

TEST(SpanFileAsOtlp, HoldsWhatTheFileHolds) {
  const auto spans = parse_spans_file(kFile);
  ASSERT_TRUE(spans);
  const std::string request = otlp_request_of(*spans);
  const auto decoded = decode_traces_request(request);
  ASSERT_TRUE(decoded);
  ASSERT_THAT(decoded->spans, SizeIs(2));
  std::vector<StoredSpan> back;
  for (const Span& span : decoded->spans) back.push_back(stored_span(span));
  EXPECT_EQ(back[0].trace_id, (*spans)[0].trace_id);
  EXPECT_EQ(back[0].name, "root");
  EXPECT_EQ(back[0].start_ns, 1795486895208126734U);
  EXPECT_EQ(back[0].end_ns, 1795486901632468589U);
  EXPECT_EQ(back[0].status, StatusCode::error);
  EXPECT_EQ(back[0].status_message, "broken");
  EXPECT_EQ(*back[0].find("text"), "\"plain\"");
  EXPECT_EQ(*back[0].find("n"), "10");
  EXPECT_EQ(*back[0].find("half"), "0.5");
  EXPECT_EQ(*back[0].find("yes"), "true");
  EXPECT_EQ(*back[0].find("nothing"), "null");
  EXPECT_EQ(*back[0].find("object"), "{\"a\": [1, \"b\"]}");
  EXPECT_EQ(*back[0].find("json"), R"("{\"a\": 1}")") << "a string stays a string";
  const std::string as_is = otlp_request_of(*spans, TextValues::as_they_are);
  EXPECT_NE(request.find(R"("{\"a\": 1}")"), std::string::npos)
      << "one layer for the server that takes one away";
  EXPECT_EQ(as_is.find(R"("{\"a\": 1}")"), std::string::npos);
  EXPECT_NE(as_is.find(R"({"a": 1})"), std::string::npos);
  ASSERT_THAT(back[0].events, SizeIs(1));
  EXPECT_EQ(back[0].events[0].time_ns, 1795486895208126735U);
  EXPECT_EQ(back[0].events[0].attributes, R"({"exception.type":"ValueError"})");
  ASSERT_THAT(back[0].links, SizeIs(1));
  EXPECT_EQ(back[0].links[0].trace_id, "tr-00000000000000000000000000000002");
  EXPECT_EQ(back[0].links[0].attributes, R"({"k":1})");
  EXPECT_EQ(back[1].parent_id, back[0].span_id);
  EXPECT_EQ(back[1].end_ns, 0U);
}

}  // namespace
}  // namespace spanferry::mlflow
