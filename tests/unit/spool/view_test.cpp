// The local view: what a list of traces shows, whether the view has come to a record yet or not.
#include <algorithm>
#include <set>

#include "model/mlflow_write.hpp"
#include "spool/each_summary.hpp"
#include "spool/limits.hpp"
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
  const auto next = spool->traces(10, page->back().last_seq);
  ASSERT_EQ(next->size(), 10U);
  EXPECT_EQ(next->front().name, "t20");
}

// A trace that goes on for long has records on many pages, and is listed where its newest stands: it must not
// take those between its records along.
TEST_F(ViewTest, PagesThatALongTraceRunsThroughListEveryTraceOnce) {
  settings.retain_bytes = 0;
  open();
  auto* c = cursor("a");
  for (std::uint32_t i = 1; i <= 30; ++i) {
    add(request_of({root(i, "t" + std::to_string(i))}), 1, i);
    if (i % 10 == 5) add(request_of({child(99, "long")}), 1, 99);
  }
  for (const bool by_the_view : {false, true}) {
    if (by_the_view) {  // it has come to what was trimmed
      std::vector<Settled> settled;
      for (Seq seq = 1; seq <= 33; ++seq)
        settled.push_back({seq, 1, 1, std::nullopt, SpanCounts::of(Outcome::delivered, 1), {}});
      c->settle(std::move(settled));
      ASSERT_TRUE(eventually([&] { return spool->first() == 34; }));
    }
    std::multiset<TraceId> listed;
    Seq before = 0;
    do {
      const auto page = spool->traces(10, before);
      ASSERT_TRUE(page);
      for (const TraceSummary& one : *page) {
        listed.insert(one.trace_id);
        EXPECT_EQ(one.spans, one.first_seq == one.last_seq ? 1U : 3U);
      }
      before = page->size() < 10 ? 0 : page->back().last_seq;
    } while (before != 0 && listed.size() < 100);
    EXPECT_EQ(listed.size(), 31U);
    EXPECT_EQ((std::set(listed.begin(), listed.end()).size()), 31U);
  }
}

TEST_F(ViewTest, EachTraceIsVisitedOnceNewestFirst) {
  open();
  add(request_of({child(1, "early")}), 1, 1);
  for (std::uint32_t i = 2; i <= 40; ++i) add(request_of({root(i, "t" + std::to_string(i))}), 1, i);
  add(request_of({root(1, "late")}), 1, 1);
  std::vector<std::string> names;
  ASSERT_TRUE(each_summary(*spool, [&](const TraceSummary& one) {
    names.push_back(one.name);
    return names.size() < 40;
  }));
  ASSERT_EQ(names.size(), 40U);
  EXPECT_EQ(names.front(), "late");
  EXPECT_EQ(names[1], "t40");
  EXPECT_EQ(names.back(), "t2");
}

TEST_F(ViewTest, TracesOfARequestAreFoundByTheirIdEvenALongOne) {
  open();
  const std::string id = std::string(kMaxSummaryTextBytes, 'r') + "-7";
  const auto asked = [](std::uint32_t trace, std::string_view request) {
    return request_of(
        {root(trace, "chat")
             .message(otlp::span::kAttributes, attribute("mlflow.trace.client_request_id", text(request)))});
  };
  add(asked(1, id), 1, 1);
  add(asked(2, "r-8"), 1, 2);
  add(asked(3, std::string(kMaxSummaryTextBytes, 'r') + "-9"), 1, 3);  // alike, as far as a summary goes
  add(asked(4, "r-88"), 1, 4);
  const auto found = [&](std::string_view request) {
    std::vector<Seq> seqs;
    EXPECT_TRUE(each_summary_of_request(*spool, request, [&](const TraceSummary& one) {
      seqs.push_back(one.last_seq);
      return true;
    }));
    return seqs;
  };
  EXPECT_EQ(found(id), (std::vector<Seq>{3, 1}));
  EXPECT_EQ(found("r-8"), (std::vector<Seq>{2}));
  EXPECT_TRUE(found("r-7").empty());
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

// What MLflow's clients write beside spans.
class ClientViewTest : public ViewTest {
 protected:
  void add(RecordKind kind, const std::string& payload, std::uint32_t trace) {
    Entry entry = entry_of(payload, {*TraceId::from_raw(trace_number(trace))}, 0);
    entry.header.kind = kind;
    entry.header.only_trace = TraceId::from_raw(trace_number(trace));
    entry.header.route.experiment_id = "7";
    ASSERT_TRUE(append(*spool, std::move(entry)));
  }
  void start(std::uint32_t trace, const std::string& state) {
    mlflow::WrittenInfo info;
    info.trace = *TraceId::from_raw(trace_number(trace));
    info.state = state;
    info.client_request_id = "req-" + std::to_string(trace);
    info.request_time_ms = 1'700'000'000'000 + trace;
    info.execution_duration_ms = 20;
    info.tags = {{"mlflow.traceName", "answer"}, {"environment", "production"}};
    info.metadata = {{"mlflow.trace.session", "s-1"}, {"long", std::string(200, 'x')}};
    add(RecordKind::trace_info, mlflow::encode(info), trace);
  }
  std::vector<std::pair<Seq, bool>> glances_at(std::string_view text) {
    std::vector<std::pair<Seq, bool>> seen;
    const auto looked = spool->glance([&](const TraceGlance& glance) {
      seen.emplace_back(glance.seq, glance.texts.contains(text));
      return true;
    });
    EXPECT_TRUE(looked) << looked.error().sentence;
    return seen;
  }
};

TEST_F(ClientViewTest, ListsTheTracesOfClientsWithTheirNamesAndStates) {
  open();
  start(1, "ERROR");
  ViewTest::add(request_of({child(1, "step")}), 1, 1);
  add(RecordKind::trace_edit, mlflow::encode(mlflow::TraceEdit(mlflow::SetTag{"reviewed", "yes"})), 1);
  add(RecordKind::trace_edit, mlflow::encode(mlflow::TraceEdit(mlflow::SetTag{"k", "of nobody here"})), 2);
  start(3, "OK");
  add(RecordKind::trace_delete, mlflow::encode(mlflow::TraceDelete{}), 3);
  for (int round = 0; round < 2; ++round) {  // before and after a restart
    const auto traces = spool->traces(10);
    ASSERT_EQ(traces->size(), 1U);
    const auto& one = traces->front();
    EXPECT_EQ(one.name, "answer");
    EXPECT_EQ(one.status, StatusCode::error);
    EXPECT_EQ(one.state, "ERROR");
    EXPECT_EQ(one.request_id, "req-1");
    EXPECT_EQ(one.session, "s-1");
    EXPECT_EQ(one.experiment_id, "7");
    EXPECT_TRUE(one.whole);
    EXPECT_TRUE(std::ranges::find(one.facts, TraceFact{.key = "reviewed", .value = "yes"}) !=
                one.facts.end());
    const auto whole = spool->summary_of(*TraceId::from_raw(trace_number(1)));
    ASSERT_TRUE(whole && *whole);
    EXPECT_EQ((*whole)->facts.size(), one.facts.size());
    EXPECT_TRUE((*spool->summary_of(*TraceId::from_raw(trace_number(3))))->deleted);
    open();
  }
}

TEST_F(ClientViewTest, GlancesAtEveryRecordTheNewestFirst) {
  open();
  start(1, "OK");
  ViewTest::add(
      request_of(
          {root(2, "other").message(otlp::span::kAttributes, attribute("environment", text("production")))}),
      1, 2);
  const std::string assessment =
      R"({"assessment_name":"quality","feedback":{"value":"good"},"source":{"source_type":"HUMAN"}})";
  add(RecordKind::trace_edit,
      mlflow::encode(mlflow::TraceEdit(
          mlflow::EditAssessment{mlflow::EditAssessment::Way::create, "a-1", assessment, ""})),
      1);
  using Seen = std::vector<std::pair<Seq, bool>>;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(glances_at("production"), (Seen{{3, false}, {2, true}, {1, true}}));
    EXPECT_EQ(glances_at("quality"), (Seen{{3, true}, {2, false}, {1, false}}));
    EXPECT_EQ(glances_at("req-1"), (Seen{{3, false}, {2, false}, {1, true}}));
    EXPECT_EQ(glances_at(std::string(kSureTextBytes, 'x')), (Seen{{3, false}, {2, false}, {1, true}}));
    open();
  }
  std::size_t seen = 0;
  ASSERT_TRUE(spool->glance([&](const TraceGlance&) { return ++seen < 2; }));
  EXPECT_EQ(seen, 2U);
}

TEST(Summary, LeavesOutFactsBeyondItsSizeAndSaysSo) {
  TraceSummary summary;
  for (int i = 0; i < 100; ++i)
    add_fact(summary, TraceFact::Kind::tag, "key" + std::to_string(i), std::string(80, 'v'));
  const std::string bytes = encode(summary);
  EXPECT_LE(bytes.size(), kMaxSummaryBytes);
  const auto decoded = decode_summary(1, TraceId{}, bytes);
  ASSERT_TRUE(decoded);
  EXPECT_FALSE(decoded->whole);
  EXPECT_GT(decoded->facts.size(), 10U);
  EXPECT_FALSE(glance_at(1, TraceId{}, bytes)->whole);
}

}  // namespace
}  // namespace spanferry::spool
