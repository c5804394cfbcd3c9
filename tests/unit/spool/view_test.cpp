// The local view: what a list of traces shows, whether the view has come to a record yet or not.
#include "spool/summary.hpp"
#include "tests/unit/model/otlp_builder.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

using spanferry::testing::attribute;
using spanferry::testing::integer;
using spanferry::testing::Message;
using spanferry::testing::request_of;
using spanferry::testing::text;
using spanferry::testing::trace_number;

Message root(std::uint32_t trace, std::string_view name) {
  return spanferry::testing::span(trace_number(trace), "rootspan", name);
}
Message child(std::uint32_t trace, std::string_view name) {
  return spanferry::testing::span(trace_number(trace), "childspn", name)
      .bytes(otlp::span::kParentSpanId, "rootspan");
}

class ViewTest : public SpoolTest {
 protected:
  ViewTest() { settings.retain_bytes = 16U << 20; }
  void add(const std::string& payload, std::uint32_t spans, std::uint32_t trace) {
    ASSERT_TRUE(append(*spool, entry_of(payload, {*TraceId::from_raw(trace_number(trace))}, spans)));
  }
};

TEST_F(ViewTest, MergesATraceOverItsRecords) {
  open();
  add(request_of(
          {child(1, "tool call")
               .message(otlp::span::kAttributes, attribute("gen_ai.usage.input_tokens", integer(10)))
               .message(otlp::span::kAttributes, attribute("gen_ai.usage.output_tokens", integer(3)))}),
      1, 1);
  add(request_of({root(2, "other")}), 1, 2);
  add(request_of({root(1, "answer")
                      .message(otlp::span::kAttributes, attribute("session.id", text("s-1")))
                      .message(otlp::span::kAttributes, attribute("user.id", text("u-1")))
                      .message(otlp::span::kAttributes, attribute("gen_ai.usage.input_tokens", integer(5)))}),
      1, 1);
  for (int round = 0; round < 3; ++round) {  // before and after the view came to them, and after a restart
    const auto traces = spool->traces(10);
    ASSERT_TRUE(traces) << traces.error().sentence;
    ASSERT_EQ(traces->size(), 2U);
    const auto& merged = traces->front();
    EXPECT_EQ(merged.name, "answer");
    EXPECT_TRUE(merged.has_root);
    EXPECT_EQ(merged.service, "svc");
    EXPECT_EQ(merged.session, "s-1");
    EXPECT_EQ(merged.user, "u-1");
    EXPECT_EQ(merged.spans, 2U);
    EXPECT_EQ(merged.input_tokens, 15);
    EXPECT_EQ(merged.output_tokens, 3);
    EXPECT_EQ(merged.first_seq, 1U);
    EXPECT_EQ(merged.last_seq, 3U);
    EXPECT_EQ((*traces)[1].name, "other");
    if (round == 0) ASSERT_TRUE(eventually([&] { return spool->traces(10)->size() == 2; }));
    if (round == 1) open();
  }
}

TEST_F(ViewTest, ListsNewestFirstAndPageByPage) {
  open();
  for (std::uint32_t i = 1; i <= 30; ++i) add(request_of({root(i, "t" + std::to_string(i))}), 1, i);
  const auto page = spool->traces(10);
  ASSERT_EQ(page->size(), 10U);
  EXPECT_EQ(page->front().name, "t30");
  EXPECT_EQ(page->back().name, "t21");
  const auto next = spool->traces(10, page->back().first_seq);
  ASSERT_EQ(next->size(), 10U);
  EXPECT_EQ(next->front().name, "t20");
}

TEST_F(ViewTest, RemembersTracesWhosePayloadIsGone) {
  settings.retain_bytes = 0;
  open();
  auto* c = cursor("a");
  for (std::uint32_t i = 1; i <= 5; ++i) add(request_of({root(i, "t" + std::to_string(i))}), 1, i);
  std::vector<Settled> settled;
  for (Seq seq = 1; seq <= 5; ++seq)
    settled.push_back({seq, 1, 1, std::nullopt, SpanCounts::of(Outcome::delivered, 1), {}});
  c->settle(std::move(settled));
  ASSERT_TRUE(eventually([&] { return spool->first() == 6; }));
  EXPECT_EQ(spool->traces(10)->size(), 5U);
}

TEST(Summary, KeepsItsTextsShortAndWhole) {
  Record record;
  record.seq = 9;
  record.payload =
      std::make_shared<const std::string>(request_of({root(1, std::string(95, 'x') + "\xc3\xa9 and more")}));
  const auto summaries = summarize(record);
  ASSERT_EQ(summaries.size(), 1U);
  EXPECT_EQ(summaries[0].name, std::string(95, 'x'));
  const auto bytes = encode(summaries[0]);
  EXPECT_LE(bytes.size(), 600U);
  const auto again = decode_summary(9, summaries[0].trace_id, bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->name, summaries[0].name);
  EXPECT_EQ(again->start_ns, 1000);
  EXPECT_FALSE(decode_summary(9, summaries[0].trace_id, std::string_view(bytes).substr(0, 5)));
}

}  // namespace
}  // namespace spanferry::spool
