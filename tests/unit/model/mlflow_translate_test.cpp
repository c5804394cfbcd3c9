// Against what MLflow's own server makes of the same spans (tests/golden/mlflow/make_translation.py).
#include "model/mlflow_translate.hpp"

#include <gtest/gtest.h>
#include <simdjson.h>

#include "model/mlflow_trace.hpp"
#include "tests/unit/model/golden.hpp"
#include "tests/unit/model/otlp_builder.hpp"

namespace spanferry::mlflow {
namespace {

using testing::golden;
namespace dom = simdjson::dom;

std::map<std::string, std::string> attributes_of(const StoredSpan& span) {
  std::map<std::string, std::string> found;
  for (const JsonAttribute& a : span.attributes) EXPECT_TRUE(found.emplace(a.key, a.json).second) << a.key;
  return found;
}

TEST(MlflowTranslate, AgreesWithMlflowsServerAttributeByAttribute) {
  const std::string request = golden("mlflow/translation.pb");
  const auto decoded = decode_traces_request(request);
  ASSERT_TRUE(decoded);
  dom::parser parser;
  const std::string file = golden("mlflow/translation.json");
  const dom::element expected = parser.parse(file);
  for (const Span& span : decoded->spans) {
    std::map<std::string, std::string> wanted;
    for (const auto& [key, value] : dom::object(expected.at_key("attributes").at_key(span.name)))
      wanted.emplace(key, std::string_view(value));
    EXPECT_EQ(attributes_of(stored_span(span)), wanted) << span.name;
  }
}

TEST(MlflowTranslate, SumsTokensOverATreeAsMlflowsServerDoes) {
  dom::parser parser;
  const std::string file = golden("mlflow/translation.json");
  const dom::element expected = parser.parse(file);
  for (const auto& [name, tree] : dom::object(expected.at_key("usage"))) {
    std::vector<StoredSpan> spans;
    for (const dom::element row : dom::array(tree.at_key("spans"))) {
      StoredSpan span;
      span.span_id.bytes[7] = static_cast<std::uint8_t>(std::uint64_t(row.at(0)));
      if (const auto parent = std::uint64_t(row.at(1)); parent != 0)
        span.parent_id.emplace().bytes[7] = static_cast<std::uint8_t>(parent);
      if (const auto usage = std::string_view(row.at(2)); !usage.empty())
        span.attributes.push_back({std::string(attribute::kTokenUsage), std::string(usage)});
      spans.push_back(std::move(span));
    }
    EXPECT_EQ(token_usage_of(spans).value_or(""), std::string_view(tree.at_key("total"))) << name;
  }
}

TEST(MlflowTranslate, SpansThatAreEachOthersAncestorsEndTheSum) {
  std::vector<StoredSpan> spans(2);
  spans[0].span_id.bytes[7] = 1;
  spans[1].span_id.bytes[7] = 2;
  spans[0].parent_id = spans[1].span_id;
  spans[1].parent_id = spans[0].span_id;
  for (auto& s : spans)
    s.attributes.push_back({std::string(attribute::kTokenUsage), R"({"input_tokens": 1})"});
  EXPECT_EQ(token_usage_of(spans), std::nullopt);
}

TEST(MlflowTranslate, ReadsPromptAndAnswerFromTheEventsOfEarlierConventions) {
  StoredSpan span;
  span.events.push_back({"gen_ai.content.prompt", 1, R"({"gen_ai.prompt":"[{\"role\": \"user\"}]"})"});
  span.events.push_back({"gen_ai.content.completion", 2, R"({"gen_ai.completion":"It is fine."})"});
  translate(span);
  EXPECT_EQ(*span.find(attribute::kInputs), R"([{"role": "user"}])");
  EXPECT_EQ(*span.find(attribute::kOutputs), R"("It is fine.")");
}

TEST(MlflowTranslate, NeverTakesTheSendersRequestId) {
  const std::string request = testing::request_of({testing::span().message(
      otlp::span::kAttributes,
      testing::attribute("mlflow.traceRequestId", testing::text("tr-somebody-elses")))});
  const auto decoded = decode_traces_request(request);
  const StoredSpan span = stored_span(decoded->spans.at(0));
  EXPECT_EQ(attributes_of(span)["mlflow.traceRequestId"], "\"tr-0102030405060708090a0b0c0d0e0f10\"");
}

}  // namespace
}  // namespace spanferry::mlflow
