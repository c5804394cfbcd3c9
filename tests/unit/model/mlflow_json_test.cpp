#include "model/mlflow_json.hpp"

#include <gtest/gtest.h>
#include <simdjson.h>

#include "tests/unit/model/golden.hpp"

namespace spanferry::mlflow {
namespace {

using testing::golden;
namespace dom = simdjson::dom;

TEST(MlflowJson, AFileOfMlflowsOwnClientReadsAndWritesTheSame) {
  const std::string recorded = golden("mlflow/client_span_file.json");
  const auto spans = parse_spans_file(recorded);
  ASSERT_TRUE(spans) << spans.error().sentence;
  dom::parser mine, theirs;
  const SpansFile file = spans_file(*spans);
  EXPECT_EQ(simdjson::minify(mine.parse(file.body)), simdjson::minify(theirs.parse(recorded)));
  EXPECT_EQ(file.span_sizes.size(), 2U);
}

TEST(MlflowJson, StartTraceSaysWhatMlflowsOwnClientSaysOfTheSameSpans) {
  const auto spans = parse_spans_file(golden("mlflow/client_span_file.json"));
  ASSERT_TRUE(spans);
  Trace trace{spans->at(0).trace_id, *spans, {}};
  // What that client took from the app's own calls comes by attribute here.
  trace.spans[0].attributes.push_back({"client_request_id", "\"req-abc-123-xyz-789\""});
  const TraceInfo info = trace_info(trace, Flavor::databricks, {});
  dom::parser mine, theirs;
  const std::string recorded = golden("mlflow/client_start_trace.json");
  const std::string body = start_trace_body(info, "1000000000000001", WithTags::yes);
  const dom::element got = mine.parse(body).at_key("trace").at_key("trace_info");
  const dom::element wanted = theirs.parse(recorded).at_key("trace").at_key("trace_info");
  for (const char* key : {"trace_id", "client_request_id", "trace_location", "request_time",
                          "execution_duration", "state", "request_preview", "response_preview"})
    EXPECT_EQ(simdjson::to_string(got.at_key(key)), simdjson::to_string(wanted.at_key(key))) << key;
  for (const char* key : {"mlflow.trace_schema.version", "mlflow.traceInputs", "mlflow.traceOutputs",
                          "mlflow.trace.tokenUsage"})
    EXPECT_EQ(simdjson::to_string(got.at_key("trace_metadata").at_key(key)),
              simdjson::to_string(wanted.at_key("trace_metadata").at_key(key)))
        << key;
  EXPECT_EQ(simdjson::to_string(got.at_key("tags").at_key("mlflow.traceName")), "\"handle_chat\"");
}

TEST(MlflowJson, IntegersOf64BitsStayExact) {
  StoredSpan span;
  span.trace_id.bytes[0] = 1;
  span.span_id.bytes[0] = 1;
  span.start_ns = 9'223'372'036'854'775'807;
  span.end_ns = 9'223'372'036'854'775'807;
  span.attributes.push_back({"big", "9007199254740993"});
  const SpansFile file = spans_file({span});
  EXPECT_NE(file.body.find("\"start_time_unix_nano\":9223372036854775807"), std::string::npos);
  EXPECT_NE(file.body.find("\"big\":\"9007199254740993\""), std::string::npos);
  EXPECT_EQ(parse_spans_file(file.body)->at(0).end_ns, span.end_ns);
}

TEST(MlflowJson, AFileThatIsNotUnderstoodIsAnErrorNotAnEmptyTrace) {
  EXPECT_FALSE(parse_spans_file(""));
  EXPECT_FALSE(parse_spans_file("<xml/>"));
  EXPECT_FALSE(parse_spans_file(R"({"spans":[{"trace_id":"x","span_id":"y"}]})"));
  EXPECT_TRUE(parse_spans_file(R"({"spans":[]})")->empty());
}

TEST(MlflowJson, ReadsIdsInHexAsOlderClientsWroteThem) {
  const auto spans = parse_spans_file(
      R"({"spans":[{"trace_id":"0102030405060708090a0b0c0d0e0f10","span_id":"1112131415161718","name":"a"}]})");
  ASSERT_TRUE(spans);
  EXPECT_EQ(spans->at(0).span_id.hex(), "1112131415161718");
}

TEST(MlflowJson, TagsAreLeftOutOfALaterStartTrace) {
  TraceInfo info;
  info.tags["a"] = "b";
  EXPECT_EQ(start_trace_body(info, "1", WithTags::no).find("tags"), std::string::npos);
}

TEST(MlflowJson, TimesReadBackAsTheyAreWritten) {
  for (const std::int64_t ms :
       {std::int64_t{0}, std::int64_t{1'795'487'692'170}, std::int64_t{253'402'300'799'999}})
    EXPECT_EQ(parse_timestamp(timestamp(ms)), ms) << timestamp(ms);
  EXPECT_EQ(timestamp(1'795'487'692'170), "2026-11-24T02:34:52.170Z");
  EXPECT_EQ(parse_timestamp("2026-11-24T02:34:52Z"), 1'795'487'692'000);
  EXPECT_EQ(parse_timestamp("2026-11-24T02:34:52.170123456Z"), 1'795'487'692'170);
  EXPECT_EQ(parse_timestamp("yesterday"), std::nullopt);
  EXPECT_EQ(duration(28), "0.028s");
  EXPECT_EQ(parse_duration("6.424s"), 6424);
  EXPECT_EQ(parse_duration("7s"), 7000);
  EXPECT_EQ(parse_duration("7"), std::nullopt);
  EXPECT_EQ(parse_duration("315576000000.999s"), 315'576'000'000'999);
  EXPECT_EQ(parse_duration("315576000001s"), std::nullopt);
}

TEST(MlflowJson, ReadsWhatAServerTellsAboutATrace) {
  const auto known = parse_trace_info(golden("mlflow/client_start_trace.json"));
  ASSERT_TRUE(known);
  EXPECT_EQ(known->experiment_id, "1000000000000001");
  EXPECT_EQ(known->state, "OK");
  EXPECT_EQ(known->metadata.at("mlflow.trace_schema.version"), "3");
  EXPECT_FALSE(parse_trace_info("{}"));
}

}  // namespace
}  // namespace spanferry::mlflow
