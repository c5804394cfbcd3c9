#include "model/mlflow_trace.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/mlflow_text.hpp"

namespace spanferry::mlflow {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

StoredSpan make_span(std::uint8_t id, std::uint8_t parent, std::string name, JsonAttributes attributes = {}) {
  StoredSpan span;
  span.trace_id.bytes[15] = 9;
  span.span_id.bytes[7] = id;
  if (parent != 0) span.parent_id.emplace().bytes[7] = parent;
  span.name = std::move(name);
  span.start_ns = 1'795'487'692'170'445'105;
  span.end_ns = 1'795'487'692'197'344'776;
  span.attributes = std::move(attributes);
  return span;
}

Trace make_trace(std::vector<StoredSpan> spans, JsonAttributes resource = {}) {
  Trace trace;
  trace.id.bytes[15] = 9;
  trace.spans = std::move(spans);
  trace.resource = std::move(resource);
  return trace;
}

TEST(MlflowTrace, RootGoesBeforeOtherSpansBeforeResourceBeforeDefaults) {
  const Defaults defaults{{"region", "default"}, {"app_version", "default"}, {"environment", "default"}};
  const Trace trace = make_trace(
      {make_span(2, 1, "child",
                 {{"session.id", "\"child\""}, {"user.id", "\"u-child\""}, {"region", "\"child\""}}),
       make_span(1, 0, "root", {{"gen_ai.conversation.id", "\"root\""}})},
      {{"service.version", "\"2.0\""}, {"cloud.region", "\"resource\""}});
  const TraceInfo info = trace_info(trace, Flavor::databricks, defaults);
  EXPECT_EQ(info.metadata.at("mlflow.trace.session"), "root");
  EXPECT_EQ(info.tags.at("mlflow.trace.session"), "root");
  EXPECT_EQ(info.metadata.at("mlflow.trace.user"), "u-child");
  EXPECT_EQ(info.tags.at("region"), "child");
  EXPECT_EQ(info.tags.at("app_version"), "2.0");
  EXPECT_EQ(info.tags.at("environment"), "default");
}

TEST(MlflowTrace, HeadersAsInstrumentationsRecordThemNameRequestSessionAndUser) {
  const Trace trace = make_trace({make_span(1, 0, "root",
                                            {{"http.request.header.x-request-id", R"(["r-1"])"},
                                             {"http.request.header.x-session-id", R"(["s-1"])"},
                                             {"http.request.header.x-user-id", R"("u-1")"}})});
  const TraceInfo info = trace_info(trace, Flavor::databricks, {});
  EXPECT_EQ(info.client_request_id, "r-1");
  EXPECT_EQ(info.tags.at("mlflow.trace.session"), "s-1");
  EXPECT_EQ(info.tags.at("mlflow.trace.user"), "u-1");
}

TEST(MlflowTrace, ResourceAttributesBecomeTagsAndTagsOfTheRootWin) {
  const Trace trace = make_trace(
      {make_span(1, 0, "root",
                 {{"mlflow.traceTag.team", "\"blue\""}, {"mlflow.traceTag.mlflow.traceName", "\"n\""}})},
      {{"team", "\"red\""},
       {"telemetry.sdk.name", "\"x\""},
       {"mlflow.own", "\"x\""},
       {"pid", "12"},
       {"a\nb", "1"}});
  EXPECT_THAT(trace_info(trace, Flavor::databricks, {}).tags,
              ElementsAre(Pair("mlflow.traceName", "n"), Pair("pid", "12"), Pair("team", "blue")));
}

TEST(MlflowTrace, TimesAreRoundedAsTheFarSideRoundsThem) {
  // Recorded: MLflow's client sends 0.026s for these; its server computes 27 ms from the same span.
  const Trace trace = make_trace({make_span(1, 0, "f")});
  EXPECT_EQ(trace_info(trace, Flavor::databricks, {}).execution_duration_ms, 26);
  EXPECT_EQ(trace_info(trace, Flavor::open_source, {}).execution_duration_ms, 27);
  EXPECT_EQ(trace_info(trace, Flavor::open_source, {}).request_time_ms, 1'795'487'692'170);
}

TEST(MlflowTrace, StateIsThatOfTheRootAndInProgressWithoutOne) {
  auto root = make_span(1, 0, "root");
  root.status = StatusCode::error;
  EXPECT_EQ(trace_info(make_trace({make_span(2, 1, "child"), root}), Flavor::databricks, {}).state,
            State::error);
  EXPECT_EQ(trace_info(make_trace({make_span(2, 1, "child")}), Flavor::databricks, {}).state,
            State::in_progress);
  auto entry = make_span(2, 1, "entry");
  entry.parent_is_remote = true;
  EXPECT_EQ(trace_info(make_trace({entry}), Flavor::databricks, {}).state, State::ok);
}

TEST(MlflowTrace, PreviewsAreCutByCharactersNeverInsideOne) {
  std::string text;
  for (int i = 0; i < 1001; ++i) text += "残";
  const std::string cut = preview(text, "user", Flavor::open_source);
  EXPECT_EQ(count_characters(cut), 1000U);
  EXPECT_EQ(cut, text.substr(0, 997 * 3) + "...");
  EXPECT_EQ(preview(text, "user", Flavor::databricks), text);
  EXPECT_EQ(preview(text.substr(0, 3000), "user", Flavor::open_source), text.substr(0, 3000));
}

TEST(MlflowTrace, PreviewOfAChatIsTheLastMessageOfThatRole) {
  const std::string chat =
      R"({"messages":[{"role":"user","content":"one"},{"role":"user","content":[{"type":"text","text":"two"}]},)"
      R"({"role":"assistant","content":"three"}]})";
  EXPECT_EQ(preview(chat, "user", Flavor::open_source), "two");
  EXPECT_EQ(preview(R"({"choices":[{"message":{"role":"assistant","content":"ok"}}]})", "assistant",
                    Flavor::open_source),
            "ok");
  EXPECT_EQ(
      preview(R"({"request":{"input":[{"role":"user","content":"deep"}]}})", "user", Flavor::open_source),
      "deep");
  EXPECT_EQ(preview(R"({"messages":[]})", "user", Flavor::open_source), R"({"messages":[]})");
  const std::string without_text =
      R"({"messages":[{"role":"user","content":[{"type":"text","text":null},{"type":"text","text":"b"}]}]})";
  EXPECT_EQ(preview(without_text, "user", Flavor::open_source), without_text);
}

TEST(MlflowTrace, AnOpenSourceServerIsToldOnlyWhatItCannotDerive) {
  const JsonAttributes root{
      {"session.id", "\"s\""}, {"user.id", "\"u\""}, {"mlflow.traceTag.mlflow.traceName", "\"n\""}};
  const JsonAttributes resource{{"service.name", "\"svc\""}, {"environment", "\"prod\""}};
  const auto info = needs_start_trace(make_trace({make_span(1, 0, "root", root)}, resource), {});
  ASSERT_TRUE(info);  // the tags by which the guide searches
  EXPECT_THAT(info->tags, ElementsAre(Pair("mlflow.trace.session", "s"), Pair("mlflow.trace.user", "u")));
  EXPECT_TRUE(info->metadata.empty());
  EXPECT_FALSE(info->request_preview);
}

TEST(MlflowTrace, AnOpenSourceServerThatKnowsAllNeedsNoStartTrace) {
  const JsonAttributes named{{"mlflow.traceTag.mlflow.traceName", "\"n\""}, {"mlflow.spanInputs", "{}"}};
  const JsonAttributes resource{{"service.name", "\"svc\""}};
  EXPECT_FALSE(needs_start_trace(make_trace({make_span(1, 0, "root", named)}, resource), {}));
  EXPECT_TRUE(needs_start_trace(make_trace({make_span(1, 0, "root")}, resource), {}));  // its name
  EXPECT_TRUE(needs_start_trace(make_trace({make_span(1, 0, "root", named)}, resource), {{"region", "eu"}}));
}

TEST(MlflowTrace, ALaterCopyWinsUnlessItHasNotEnded) {
  auto open = make_span(1, 0, "open");
  open.end_ns = 0;
  std::vector<StoredSpan> spans{open};
  merge_spans(spans, {make_span(1, 0, "first"), make_span(1, 0, "second"), make_span(2, 1, "child")});
  merge_spans(spans, {open});
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0].name, "second");
}

TEST(MlflowTrace, SizeStatsAreThoseOfTheSpans) {
  TraceInfo info;
  add_size_stats(info, {400, 100, 200, 300}, 1100);
  EXPECT_EQ(info.metadata.at("mlflow.trace.sizeStats"),
            R"({"total_size_bytes": 1100, "num_spans": 4, "max": 400, "p25": 175, "p50": 250, "p75": 325})");
  EXPECT_EQ(info.metadata.at("mlflow.trace.sizeBytes"), "1100");
}

}  // namespace
}  // namespace spanferry::mlflow
