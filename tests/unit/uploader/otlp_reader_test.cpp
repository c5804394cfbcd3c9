#include "uploader/otlp_reader.hpp"

#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "model/mlflow_json.hpp"
#include "tests/unit/uploader/memory_spool.hpp"
#include "tests/unit/uploader/spans.hpp"

namespace spanferry::testing {
namespace {

TEST(OtlpReader, TheExperimentsSeenAheadTakeTurns) {
  MemorySpool spool;
  std::uint32_t n = 0;
  const auto append = [&](const char* experiment) {
    ++n;
    std::vector<spool::Entry> entries;
    entries.push_back(
        entry_of({{trace_number(n), span_number(n), std::string(900, 'x')}}, {experiment, {}, {}}));
    spool.append(std::move(entries), {});
  };
  for (int i = 0; i < 7; ++i) append("2");
  append("1");
  append("3");
  for (int i = 0; i < 20; ++i) append("2");
  const auto cursor = spool.cursor("there", spool::Spool::From::oldest);
  uploader::OtlpReader reader(spool, **cursor, 5000, true);
  std::vector<std::string> order;
  std::size_t records = 0;
  for (auto batch = reader.next(); batch && *batch; batch = reader.next()) {
    order.push_back((*batch)->route.experiment_id);
    records += (*batch)->items.size();
  }
  EXPECT_EQ(records, 29U);
  ASSERT_GE(order.size(), 4U);
  order.resize(4);
  EXPECT_EQ(order, (std::vector<std::string>{"1", "2", "3", "2"}));
}

std::string span_file(std::uint32_t trace,
                      std::initializer_list<std::pair<std::uint32_t, const char*>> spans) {
  std::vector<mlflow::StoredSpan> all;
  for (const auto& [id, name] : spans) {
    mlflow::StoredSpan span;
    span.trace_id = trace_number(trace);
    span.span_id = span_number(id);
    span.name = name;
    span.end_ns = 2;
    all.push_back(std::move(span));
  }
  return mlflow::spans_file(all).body;
}

void append_write(MemorySpool& spool, RecordKind kind, std::uint32_t trace, std::string payload,
                  std::uint32_t spans) {
  spool::Entry entry;
  entry.header.kind = kind;
  entry.header.span_count = spans;
  entry.payload = std::make_shared<const std::string>(std::move(payload));
  entry.traces = {trace_number(trace)};
  std::vector<spool::Entry> entries;
  entries.push_back(std::move(entry));
  spool.append(std::move(entries), {});
}

void append_spans(MemorySpool& spool, const std::vector<TestSpan>& spans) {
  std::vector<spool::Entry> entries;
  entries.push_back(entry_of(spans));
  spool.append(std::move(entries), {});
}

TEST(OtlpReader, ASpanFileBecomesSpansAndTheCopyByOtlpCounts) {
  MemorySpool spool;
  append_write(spool, RecordKind::trace_data, 1, span_file(1, {{1, "of the file"}, {2, "of the file"}}), 2);
  append_spans(spool,
               {{trace_number(1), span_number(2), "by OTLP"}, {trace_number(2), span_number(2), "other"}});
  const auto cursor = spool.cursor("there", spool::Spool::From::oldest);
  uploader::OtlpReader reader(spool, **cursor, 1 << 20, true);
  const auto batch = reader.next();
  ASSERT_TRUE(batch && *batch);
  ASSERT_EQ((*batch)->items.size(), 2U);
  const auto& item = (*batch)->items[0];
  EXPECT_EQ(item.spans, 2U);
  EXPECT_EQ(item.record.header.kind, RecordKind::spans);
  std::map<SpanKey, std::string> names;
  for (const auto& [key, name] : spans_in(*item.payload)) names[key] = name;
  EXPECT_EQ(names.size(), 2U);
  EXPECT_EQ((names[{trace_number(1), span_number(1)}]), "of the file");
  EXPECT_EQ((names[{trace_number(1), span_number(2)}]), "by OTLP");
}

TEST(OtlpReader, ASpanFileThatCannotBeReadIsADeadLetter) {
  MemorySpool spool;
  append_write(spool, RecordKind::trace_data, 1, "nonsense", 3);
  auto& cursor = spool.cursor_of("there");
  uploader::OtlpReader reader(spool, cursor, 1 << 20, true);
  EXPECT_FALSE(*reader.next());
  ASSERT_EQ(cursor.dead.size(), 1U);
  EXPECT_EQ(cursor.dead[0].kind, RecordKind::trace_data);
  EXPECT_EQ(cursor.accounting().settled[Outcome::dead], 3U);
}

TEST(OtlpReader, SpansOfADeletedTraceAreNotSent) {
  MemorySpool spool;
  uploader::DeletedTraces(spool, "there").add(trace_number(1));
  append_spans(spool, {{trace_number(1), span_number(1)}});
  append_spans(spool, {{trace_number(1), span_number(2)}, {trace_number(2), span_number(2)}});
  auto& cursor = spool.cursor_of("there");
  const uploader::DeletedTraces deleted(spool, "there");  // as the next process reads it
  uploader::OtlpReader reader(spool, cursor, 1 << 20, true, &deleted);
  const auto batch = reader.next();
  ASSERT_TRUE(batch && *batch);
  ASSERT_EQ((*batch)->items.size(), 1U);
  EXPECT_EQ((*batch)->items[0].spans, 1U);
  EXPECT_EQ(cursor.accounting().settled[Outcome::deleted], 2U);
}

TEST(DeletedTraces, AreBoundedTheOldestIsForgotten) {
  MemorySpool spool;
  uploader::DeletedTraces deleted(spool, "there", 2);
  for (const std::uint32_t n : {1U, 2U, 2U, 3U}) deleted.add(trace_number(n));
  const uploader::DeletedTraces next(spool, "there", 2);
  for (const auto* one : {&std::as_const(deleted), &next}) {
    EXPECT_FALSE(one->holds(trace_number(1)));
    EXPECT_TRUE(one->holds(trace_number(2)));
    EXPECT_TRUE(one->holds(trace_number(3)));
  }
}

}  // namespace
}  // namespace spanferry::testing
