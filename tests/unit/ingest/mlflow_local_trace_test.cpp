// What the records of a trace come to when they are read here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/mlflow_api/local_trace.hpp"
#include "ingest/mlflow_api/trace_json.hpp"
#include "model/json_text.hpp"
#include "model/mlflow_json.hpp"
#include "tests/unit/ingest/doors.hpp"

namespace spanferry::test {
namespace {

using ingest::LocalTrace;
using ingest::TraceFold;

const TraceId kId = *TraceId::from_hex(kTrace);

Record record(RecordKind kind, std::string payload, Route route = {}) {
  Record r;
  r.header.kind = kind;
  r.header.route = std::move(route);
  if (kind != RecordKind::spans) r.header.only_trace = kId;
  r.payload = std::make_shared<std::string>(std::move(payload));
  return r;
}

Record info(std::string_view more) {
  return record(RecordKind::trace_info, R"({"trace_id":"tr-)" + std::string(kTrace) +
                                            R"(","experiment_id":"7",)" + std::string(more) + "}");
}
Record spans(std::string_view json) { return record(RecordKind::spans, protobuf(request_json(json))); }
Record edit(const mlflow::TraceEdit& e) { return record(RecordKind::trace_edit, encode(e)); }
mlflow::EditAssessment create(std::string id, const std::string& more = "") {
  return {mlflow::EditAssessment::Way::create, id,
          R"({"assessment_id":")" + id + R"(","assessment_name":"ok","feedback":{"value":true})" + more + "}",
          ""};
}

LocalTrace fold(const std::vector<Record>& records, mlflow::Flavor flavor = mlflow::Flavor::open_source,
                const mlflow::Defaults& context = {}) {
  TraceFold fold(kId, flavor, context);
  for (const Record& r : records) fold.add(r);
  return fold.finish();
}

TEST(LocalTrace, OfSpansAloneSaysWhatItsServerWouldFindInThem) {
  const auto trace = fold({spans(resource_json(attribute_json("region", "north"), span_json("chat")))});
  EXPECT_TRUE(trace.exists());
  EXPECT_FALSE(trace.started);
  EXPECT_EQ(trace.info.tags.at("region"), "north");
  EXPECT_EQ(trace.info.tags.at("mlflow.traceName"), "chat");
  EXPECT_EQ(trace.info.state, "OK");
  ASSERT_EQ(trace.spans.size(), 1U);
  EXPECT_EQ(trace.spans[0].name, "chat");
}

// A schema has the table's own name, to which its reader adds catalog and schema; a prefix has the full name.
TEST(LocalTrace, NamesItsTableAsItsLocationHasIt) {
  const auto written = [](std::string_view location) {
    std::string out;
    JsonWriter json(out);
    LocalTrace trace;
    trace.id = kId;
    write_trace_info_v4(json, trace, location);
    return out;
  };
  EXPECT_THAT(written("main.genai"),
              testing::HasSubstr(R"("trace_location":{"type":"UC_SCHEMA","uc_schema":{"catalog_name":"main",)"
                                 R"("schema_name":"genai",)"
                                 R"("otel_spans_table_name":"mlflow_experiment_trace_otel_spans"}})"));
  EXPECT_THAT(written("main.genai.app"),
              testing::HasSubstr(R"({"type":"UC_TABLE_PREFIX","uc_table_prefix":{"catalog_name":"main",)"
                                 R"("schema_name":"genai","table_prefix":"app",)"
                                 R"("spans_table_name":"main.genai.app_otel_spans"}})"));
}

TEST(LocalTrace, OfAnOwnTraceInfoGetsNothingFromTheContext) {
  const mlflow::Defaults context{{"environment", "test"}};
  const auto own = spans(resource_json("", span_json("chat")));
  EXPECT_TRUE(fold({own}, mlflow::Flavor::open_source, context).info.tags.contains("environment"));
  EXPECT_FALSE(fold({info(R"("state":"OK")"), own}, mlflow::Flavor::open_source, context)
                   .info.tags.contains("environment"));
}

TEST(LocalTrace, EditsStandWhateverComesBeforeOrAfterThem) {
  const auto tagged = info(R"("state":"OK","tags":{"a":"info","b":"info","c":"info"})");
  const auto trace =
      fold({edit(mlflow::SetTag{"a", "edit"}), tagged, edit(mlflow::SetTag{"b", std::nullopt}), tagged});
  EXPECT_EQ(trace.info.tags.at("a"), "edit");
  EXPECT_FALSE(trace.info.tags.contains("b"));
  EXPECT_EQ(trace.info.tags.at("c"), "info");
}

TEST(LocalTrace, ASecondTraceInfoReplacesScalarsAndAddsToTagsAndMetadata) {
  const auto trace =
      fold({info(R"("client_request_id":"r","request_preview":"p","trace_metadata":{"m":"1"})"),
            info(R"("state":"ERROR","trace_metadata":{"n":"2"})")});
  EXPECT_FALSE(trace.info.client_request_id);
  EXPECT_EQ(trace.info.request_preview, "p");
  EXPECT_EQ(trace.info.metadata.size(), 2U);
  EXPECT_EQ(trace.info.state, "ERROR");
}

TEST(LocalTrace, AssessmentsAreCreatedChangedOverriddenAndRemoved) {
  using Way = mlflow::EditAssessment::Way;
  const auto update = mlflow::EditAssessment{
      Way::update, "a-1", R"({"feedback":{"value":false},"rationale":"why","assessment_name":"x"})",
      "feedback,rationale"};
  const auto changed = fold({info(R"("state":"OK")"), edit(create("a-1")), edit(update)});
  const auto* one = changed.assessments.find("a-1");
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(*one->find("feedback"), R"({"value":false})");
  EXPECT_EQ(one->text("rationale"), "why");
  EXPECT_EQ(one->text("assessment_name"), "ok") << "not in the mask";

  const auto overriding = edit(create("a-2", R"(,"overrides":"a-1")"));
  const auto overridden = fold({edit(create("a-1")), overriding});
  EXPECT_EQ(*overridden.assessments.find("a-1")->find("valid"), "false");
  const auto restored =
      fold({edit(create("a-1")), overriding, edit(mlflow::EditAssessment{Way::remove, "a-2", "", ""})});
  EXPECT_EQ(restored.assessments.all().size(), 1U);
  EXPECT_EQ(*restored.assessments.find("a-1")->find("valid"), "true");
  EXPECT_EQ(fold({edit(create("a-1")), edit(create("a-1"))}).assessments.all().size(), 1U);
}

TEST(LocalTrace, NothingComesBackAfterItsDeletion) {
  const auto trace =
      fold({info(R"("state":"OK")"), record(RecordKind::trace_delete, encode(mlflow::TraceDelete{})),
            spans(resource_json("", span_json("chat")))});
  EXPECT_TRUE(trace.deleted);
  EXPECT_FALSE(trace.exists());
}

TEST(LocalTrace, OfASpanThatCameBothWaysTheOtlpCopyWins) {
  const auto by_otlp = fold({spans(resource_json("", span_json("by otlp")))});
  auto copy = by_otlp.spans;
  copy[0].name = "by file";
  const auto file = record(RecordKind::trace_data, mlflow::spans_file(copy).body);
  for (const auto& records : {std::vector{spans(resource_json("", span_json("by otlp"))), file},
                              std::vector{file, spans(resource_json("", span_json("by otlp")))}}) {
    const auto trace = fold(records);
    ASSERT_EQ(trace.spans.size(), 1U);
    EXPECT_EQ(trace.spans[0].name, "by otlp");
  }
}

TEST(LocalTrace, OfATableHasTextsAsTheirSpansHaveThem) {
  const auto text = [](const std::string& key, const std::string& value) {
    return R"({"key":")" + key + R"(","value":{"stringValue":)" + quoted_json(value) + "}}";
  };
  const Record own = spans(resource_json(
      "",
      R"({"traceId":")" + std::string(kTrace) +
          R"(","spanId":"b7ad6b7169203331","name":"n","startTimeUnixNano":"5","endTimeUnixNano":"6","attributes":[)" +
          text("object", R"({"a":[1]})") + ',' + text("quoted", R"("q")") + ',' +
          text("mlflow.spanType", R"("TOOL")") + "]}"));
  const mlflow::Defaults none;
  const auto read = [&](ingest::SpanForm form) {
    TraceFold fold(kId, mlflow::Flavor::databricks, none, form);
    fold.add(own);
    return fold.finish().spans.at(0);
  };
  const auto row = read(ingest::SpanForm::of_rows);
  EXPECT_EQ(*row.find("object"), R"("{\"a\":[1]}")");
  EXPECT_EQ(*row.find("quoted"), R"("\"q\"")");
  EXPECT_EQ(*row.find("mlflow.spanType"), R"("TOOL")") << "it has a meaning";
  const auto stored = read(ingest::SpanForm::stored);
  EXPECT_EQ(*stored.find("object"), R"({"a":[1]})");
  EXPECT_EQ(*stored.find("quoted"), R"("q")");
}

TEST(LocalTrace, IsPutOnTopOfWhatTheFarSideHas) {
  const mlflow::Defaults none;
  TraceFold fold(kId, mlflow::Flavor::open_source, none);
  const auto there =
      R"({"trace_id":"tr-)" + std::string(kTrace) +
      R"(","state":"OK","tags":{"a":"old","b":"there"},"assessments":[{"assessment_id":"a-1"}]})";
  ASSERT_TRUE(fold.begin_with(there, {}));
  fold.add(edit(mlflow::SetTag{"a", "new"}));
  fold.add(edit(create("a-1")));
  const auto trace = fold.finish();
  EXPECT_EQ(trace.info.tags.at("a"), "new");
  EXPECT_EQ(trace.info.tags.at("b"), "there");
  EXPECT_EQ(trace.assessments.all().size(), 1U);
}

TEST(TraceJson, SpansReadBackAsTheyWereWritten) {
  auto trace = fold({spans(resource_json(
      "",
      R"({"traceId":")" + std::string(kTrace) +
          R"(","spanId":"b7ad6b7169203331","name":"n","startTimeUnixNano":"1795486846089320113","endTimeUnixNano":"1795486846124967674",
      "attributes":[{"key":"mlflow.spanInputs","value":{"kvlistValue":{"values":[{"key":"n","value":{"intValue":"9007199254740993"}},{"key":"x","value":{"doubleValue":0.1}},{"key":"none","value":{}},{"key":"l","value":{"arrayValue":{"values":[{"boolValue":true},{"stringValue":"é"}]}}}]}}}],
      "events":[{"name":"e","timeUnixNano":"5","attributes":[{"key":"k","value":{"stringValue":"v"}}]}],
      "status":{"code":2,"message":"bad"}})"))});
  std::string json;
  JsonWriter writer(json);
  ingest::write_otlp_spans(writer, trace.spans);
  const auto read = ingest::parse_otlp_spans(json);
  ASSERT_TRUE(read.has_value()) << json;
  ASSERT_EQ(read->size(), 1U);
  const auto& was = trace.spans[0];
  const auto& is = read->front();
  EXPECT_EQ(is.span_id, was.span_id);
  EXPECT_EQ(is.start_ns, was.start_ns);
  EXPECT_EQ(is.status, StatusCode::error);
  EXPECT_EQ(is.status_message, "bad");
  ASSERT_NE(is.find("mlflow.spanInputs"), nullptr);
  EXPECT_EQ(*is.find("mlflow.spanInputs"), R"({"n":9007199254740993,"x":0.1,"none":null,"l":[true,"é"]})");
  ASSERT_EQ(is.events.size(), 1U);
  EXPECT_EQ(is.events[0].attributes, R"({"k":"v"})");
}

}  // namespace
}  // namespace spanferry::test
