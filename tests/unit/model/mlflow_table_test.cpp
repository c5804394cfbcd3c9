#include "model/mlflow_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/otlp_scan.hpp"
#include "model/otlp_value.hpp"
#include "tests/unit/model/otlp_builder.hpp"

namespace spanferry::mlflow {
namespace {

using namespace spanferry::testing;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::string json_of(const std::string& json) {
  const std::string wire = any_value_of(json);
  return to_json({wire});
}

TEST(AnyValueOfJson, IsTheWayBack) {
  for (const char* json : {"null", "true", "false", "0", "-9223372036854775808", "9223372036854775807", "0.5",
                           "\"\"", "\"a \\\"b\\\" \\u0000 ü\"", "[]", "{}", "[1,[],{\"a\":null}]",
                           "{\"b\":{\"c\":[1.0,\"x\"]},\"a\":2}"})
    EXPECT_EQ(json_of(json), json) << json;
  EXPECT_EQ(json_of("\"ü\""), "\"ü\"");
}

TEST(AnyValueOfJson, KeepsWhatDoesNotFitAsText) {
  EXPECT_EQ(json_of("18446744073709551615"), "\"18446744073709551615\"");
  EXPECT_EQ(json_of("184467440737095516150"), "\"184467440737095516150\"");
  EXPECT_EQ(json_of("NaN"), "\"NaN\"");
  EXPECT_EQ(json_of("\"open"), "\"\\\"open\"");
  const std::string deep = std::string(200, '[') + std::string(200, ']');
  EXPECT_EQ(json_of(deep), '"' + deep + '"');
}

TEST(TableLocations, TellThePathOfATableAndTheTableOfAPath) {
  EXPECT_EQ(table_location("main.genai.app", ""),
            (TableLocation{"main.genai.app", "main.genai.app_otel_spans"}));
  EXPECT_EQ(table_location("", "main.genai.app_otel_spans"),
            (TableLocation{"main.genai.app", "main.genai.app_otel_spans"}));
  EXPECT_EQ(table_location("main.genai", ""),
            (TableLocation{"main.genai", "main.genai.mlflow_experiment_trace_otel_spans"}));
  EXPECT_EQ(table_location("", "main.genai.mlflow_experiment_trace_otel_spans").path, "main.genai");
  EXPECT_EQ(table_location("main.genai.app", "main.genai.elsewhere"),
            (TableLocation{"main.genai.app", "main.genai.elsewhere"}));
  EXPECT_EQ(table_location("", "main.genai.my_spans"), (TableLocation{"", "main.genai.my_spans"}));
  EXPECT_EQ(table_location("", "main.genai._otel_spans").path, "");
  EXPECT_TRUE(table_location("", "").empty());
}

TEST(TableLocations, HaveTwoOrThreeNames) {
  EXPECT_TRUE(is_location_path("a.b"));
  EXPECT_TRUE(is_location_path("a.b.c"));
  for (const char* path : {"", "a", "a.", ".b", "a..c", "a.b.", "a.b.c.d", "a.b.c."})
    EXPECT_FALSE(is_location_path(path)) << path;
}

struct TableTrace : ::testing::Test {
  Message root = span(kTrace, kSpan, "root");
  Message child = span(kTrace, std::string(8, '\2'), "child");
  std::string request;
  Trace trace;
  TraceInfo info;
  TableLocation location = table_location("main.genai.app", "");

  std::string rows(const std::function<bool(const SpanId&)>& keep = [](const SpanId&) { return true; }) {
    child.bytes(otlp::span::kParentSpanId, kSpan);
    const Message other = span(std::string(16, '\7'), kSpan, "of another trace");
    request = Message()
                  .message(otlp::request::kResourceSpans,
                           Message()
                               .message(otlp::resource_spans::kResource, resource("bot"))
                               .message(otlp::resource_spans::kScopeSpans, scope_spans({root, other, child})))
                  .wire;
    trace.id = *TraceId::from_raw(kTrace);
    const auto decoded = decode_traces_request(request, &trace.id);
    for (const Span& s : decoded->spans) trace.spans.push_back(stored_span(s));
    info = trace_info(trace, Flavor::databricks, {});
    return TableSpans(trace, info.metadata, location).write(request, keep);
  }
  static std::string attributes_of(const Span& s) {
    std::string out;
    for (const Attribute& a : s.attributes) out += std::string(a.key) + "=" + to_json(a.value) + "\n";
    return out;
  }
};

TEST_F(TableTrace, HasRealValuesWhereMlflowReadsThem) {
  root.message(otlp::span::kAttributes,
               spanferry::testing::attribute("mlflow.spanInputs", text(R"({"question": "hi", "k": 2})")))
      .message(otlp::span::kAttributes,
               spanferry::testing::attribute("mlflow.traceRequestId", text("tr-elsewhere")))
      .message(otlp::span::kAttributes, spanferry::testing::attribute("mlflow.spanType", text("\"AGENT\"")))
      .message(otlp::span::kAttributes, spanferry::testing::attribute("plain", text(R"({"stays": "text"})")))
      .varint(otlp::span::kKind, 3);
  const std::string wire = rows();
  ASSERT_TRUE(scan_traces_request(wire));
  const auto decoded = decode_traces_request(wire);
  ASSERT_THAT(decoded->spans, SizeIs(2));
  const std::string attributes = attributes_of(decoded->spans[0]);
  EXPECT_THAT(attributes, HasSubstr("mlflow.spanInputs={\"question\":\"hi\",\"k\":2}\n"));
  EXPECT_THAT(attributes, HasSubstr("mlflow.spanType=\"AGENT\"\n"));
  EXPECT_THAT(attributes,
              HasSubstr("mlflow.traceRequestId=\"trace:/main.genai.app/" + trace.id.hex() + "\"\n"));
  EXPECT_THAT(attributes, Not(HasSubstr("elsewhere")));
  EXPECT_THAT(attributes, HasSubstr(R"(plain="{\"stays\": \"text\"}")"));
  EXPECT_EQ(decoded->spans[0].kind, 3);
  EXPECT_EQ(decoded->spans[0].scope_name, "test scope");
  EXPECT_EQ(decoded->resources[0].attributes.size(), 1U);
}

TEST_F(TableTrace, HasItsConventionsTranslated) {
  child.message(otlp::span::kAttributes, spanferry::testing::attribute("gen_ai.operation.name", text("chat")))
      .message(otlp::span::kAttributes,
               spanferry::testing::attribute("gen_ai.usage.input_tokens", integer(3)))
      .message(otlp::span::kAttributes,
               spanferry::testing::attribute("gen_ai.usage.output_tokens", integer(4)));
  const std::string wire = rows();
  const auto decoded = decode_traces_request(wire);
  const std::string attributes = attributes_of(decoded->spans[1]);
  EXPECT_THAT(attributes, HasSubstr("mlflow.spanType=\"CHAT_MODEL\"\n"));
  EXPECT_THAT(
      attributes,
      HasSubstr("mlflow.chat.tokenUsage={\"input_tokens\":3,\"output_tokens\":4,\"total_tokens\":7}\n"));
  EXPECT_THAT(attributes, HasSubstr("gen_ai.usage.input_tokens=3\n"));
}

TEST_F(TableTrace, NamesSessionAndUserOnItsRootAlone) {
  child
      .message(otlp::span::kAttributes,
               spanferry::testing::attribute("gen_ai.conversation.id", text("s \"1\"")))
      .message(otlp::span::kAttributes, spanferry::testing::attribute("enduser.id", text("jane")));
  const std::string wire = rows();
  const auto decoded = decode_traces_request(wire);
  EXPECT_THAT(attributes_of(decoded->spans[0]), HasSubstr("session.id=\"s \\\"1\\\"\"\nuser.id=\"jane\"\n"));
  EXPECT_THAT(attributes_of(decoded->spans[1]), Not(HasSubstr("session.id")));
}

TEST_F(TableTrace, IsWrittenInParts) {
  const auto id = SpanId::from_raw(std::string(8, '\2'));
  const std::string wire = rows([&](const SpanId& span) { return span == *id; });
  const auto decoded = decode_traces_request(wire);
  ASSERT_THAT(decoded->spans, SizeIs(1));
  EXPECT_EQ(decoded->spans[0].name, "child");
  EXPECT_EQ(rows([](const SpanId&) { return false; }), "");
}

TEST_F(TableTrace, HasItsInfoUnwrapped) {
  rows();
  const std::string body = table_info_body(info, trace.id, location, WithTags::yes);
  EXPECT_THAT(body, ::testing::StartsWith("{\"trace_id\":\"" + trace.id.hex() + "\""));
  EXPECT_THAT(body, HasSubstr(R"("trace_location":{"type":"UC_TABLE_PREFIX","uc_table_prefix":{)"
                              R"("catalog_name":"main","schema_name":"genai","table_prefix":"app",)"
                              R"("spans_table_name":"main.genai.app_otel_spans"}})"));
  EXPECT_THAT(body, HasSubstr(R"("mlflow.trace_schema.version":"4")"));
  EXPECT_THAT(body, HasSubstr(R"("tags":{)"));
  EXPECT_THAT(table_info_body(info, trace.id, location, WithTags::no), Not(HasSubstr("\"tags\"")));
  EXPECT_THAT(
      table_info_body(info, trace.id, table_location("main.genai", ""), WithTags::yes),
      HasSubstr(R"("trace_location":{"type":"UC_SCHEMA","uc_schema":{"catalog_name":"main",)"
                R"("schema_name":"genai","otel_spans_table_name":"mlflow_experiment_trace_otel_spans"}})"));
}

TEST_F(TableTrace, HasTheInfoOfItsClientWithNothingAddedButThePlace) {
  const auto written = parse_written_info(
      R"({"trace_id":"tr-0102030405060708090a0b0c0d0e0f10","client_request_id":"r",)"
      R"("trace_location":{"type":"MLFLOW_EXPERIMENT","mlflow_experiment":{"experiment_id":"7"}},)"
      R"("state":"OK","trace_metadata":{"mlflow.trace_schema.version":"3","k":"v"},"tags":{"t":"1"}})");
  ASSERT_TRUE(written);
  EXPECT_EQ(table_info_body(*written, location, WithTags::yes),
            R"({"trace_id":"0102030405060708090a0b0c0d0e0f10","client_request_id":"r",)"
            R"("trace_location":{"type":"UC_TABLE_PREFIX","uc_table_prefix":{"catalog_name":"main",)"
            R"("schema_name":"genai","table_prefix":"app","spans_table_name":"main.genai.app_otel_spans"}},)"
            R"("state":"OK","trace_metadata":{"k":"v","mlflow.trace_schema.version":"4"},"tags":{"t":"1"}})");
}

}  // namespace
}  // namespace spanferry::mlflow
