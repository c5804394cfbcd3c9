#include "model/cut.hpp"

#include <gtest/gtest.h>

#include "model/mlflow_json.hpp"
#include "model/otlp_scan.hpp"
#include "model/utf8.hpp"
#include "tests/unit/model/otlp_builder.hpp"

namespace spanferry {
namespace {

using testing::Message;

std::string request(const std::string& large, const std::string& other) {
  Message span = testing::span(testing::trace_number(1), "12345678", "a span");
  span.message(otlp::span::kAttributes, testing::attribute("small", testing::text("stays")));
  span.message(otlp::span::kAttributes, testing::attribute("large", testing::text(large)));
  span.message(otlp::span::kEvents,
               Message()
                   .bytes(otlp::event::kName, "e")
                   .message(otlp::event::kAttributes, testing::attribute("other", testing::text(other))));
  return testing::request_of({span});
}

TEST(CutLength, TakesFromTheLargestOnly) {
  EXPECT_EQ(cut_length({10'000, 50, 70}, 1'000), 10'000U - 1'000 - 128);
  const auto both = cut_length({10'000, 50, 10'000}, 15'000);
  ASSERT_TRUE(both);
  EXPECT_EQ(*both, (20'000U - 15'000 - 2 * 128) / 2);
}

TEST(CutLength, IsNothingWhenThatIsNotEnough) {
  EXPECT_FALSE(cut_length({}, 1));
  EXPECT_FALSE(cut_length({1'000}, 1'000));
  EXPECT_FALSE(cut_length(std::vector<std::size_t>(1'000, 100), 50'000));
}

TEST(CutText, SaysHowLongItWasAtFirstHoweverOftenItIsCut) {
  const std::string once = cut_text(std::string(5'000, 'x'), 1'000);
  EXPECT_EQ(once, std::string(1'000, 'x') + "… [cut by spanferry: was 5000 bytes]");
  EXPECT_EQ(cut_text(once, 100), std::string(100, 'x') + "… [cut by spanferry: was 5000 bytes]");
}

TEST(CutRequest, LeavesWhatFitsAsItIs) {
  const std::string whole = request("text", "more");
  EXPECT_EQ(cut_traces_request(whole, whole.size()), whole);
}

TEST(CutRequest, CutsTheLargestAttributesAndSaysSo) {
  std::string text;
  while (text.size() < 100'000) text += "Ünïcode ✓ 🎉 ";
  const std::string whole = request(text, std::string(50'000, 'y'));
  for (const std::size_t limit : {140'000U, 100'000U, 20'000U, 2'000U, 700U}) {
    const auto cut = cut_traces_request(whole, limit);
    ASSERT_TRUE(cut) << limit;
    EXPECT_LE(cut->size(), limit);
    EXPECT_GT(cut->size(), limit / 2);
    const auto decoded = decode_traces_request(*cut);
    ASSERT_TRUE(decoded);
    ASSERT_EQ(decoded->spans.size(), 1U);
    const auto& attributes = decoded->spans[0].attributes;
    ASSERT_EQ(attributes.size(), 2U);
    EXPECT_EQ(attributes[0].value.string(), "stays");
    const std::string_view large = attributes[1].value.string().value_or("");
    EXPECT_TRUE(large.starts_with("Ünïcode")) << limit;
    EXPECT_TRUE(large.ends_with(" bytes]")) << limit;
    EXPECT_TRUE(is_valid_utf8(large)) << limit;
  }
}

TEST(CutRequest, PutsTheMarkerInPlaceOfWhatIsNoText) {
  Message list;
  for (int i = 0; i < 1'000; ++i) list.message(otlp::list::kValues, testing::text("xxxx"));
  Message span = testing::span(testing::trace_number(1), "12345678", "a span");
  span.message(otlp::span::kAttributes,
               testing::attribute("list", Message().message(otlp::any_value::kArray, list)));
  const auto cut = cut_traces_request(testing::request_of({span}), 1'000);
  ASSERT_TRUE(cut);
  const auto decoded = decode_traces_request(*cut);
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(decoded->spans[0].attributes[0].value.string().value_or("").starts_with("… [cut by spanferry"));
}

TEST(CutRequest, IsNothingWhereAttributesAreNotWhatIsLarge) {
  Message span = testing::span(testing::trace_number(1), "12345678", std::string(10'000, 'n'));
  EXPECT_FALSE(cut_traces_request(testing::request_of({span}), 5'000));
  EXPECT_FALSE(cut_traces_request(std::string(10'000, '\xff'), 5'000));
}

TEST(CutSpans, MakesAFileSmallerAndKeepsItReadable) {
  std::vector<mlflow::StoredSpan> spans(3);
  for (std::uint8_t i = 0; i < 3; ++i) {
    spans[i].trace_id.bytes[15] = 1;
    spans[i].span_id.bytes[7] = static_cast<std::uint8_t>(i + 1);
    spans[i].attributes.push_back({"n", "1"});
  }
  spans[1].attributes.push_back({"text", "\"" + std::string(100'000, 'x') + "\""});
  spans[2].attributes.push_back({"object", R"({"text":")" + std::string(100'000, 'y') + "\"}"});
  spans[2].events.push_back({"e", 1, R"({"text":")" + std::string(100'000, 'z') + "\"}"});
  const std::size_t before = mlflow::spans_file(spans).body.size();
  const auto cut = mlflow::cut_spans(spans, 250'000);
  EXPECT_EQ(cut.size(), 2U);
  const std::string after = mlflow::spans_file(spans).body;
  EXPECT_LE(after.size(), before - 250'000);
  const auto read = mlflow::parse_spans_file(after);
  ASSERT_TRUE(read) << read.error().sentence;
  EXPECT_EQ(read->size(), 3U);
  EXPECT_TRUE(spans[1].attributes[1].json.starts_with("\"xxx"));
  EXPECT_TRUE(mlflow::cut_spans(spans, 10'000'000).empty());
}

}  // namespace
}  // namespace spanferry
