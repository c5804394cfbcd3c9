// What a summary makes of numbers that no honest client says: they are cut, and their sums are numbers too.
#include "spool/summary.hpp"

#include "model/mlflow_write.hpp"
#include "tests/unit/model/otlp_builder.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

using spanferry::testing::attribute;
using spanferry::testing::integer;
using spanferry::testing::request_of;
using spanferry::testing::trace_number;

Record record_of(RecordKind kind, std::string payload) {
  Record record;
  record.seq = 1;
  record.header.kind = kind;
  record.payload = std::make_shared<const std::string>(std::move(payload));
  return record;
}

TraceSummary summary_of_info(std::optional<std::int64_t> began_ms, std::optional<std::int64_t> took_ms) {
  mlflow::WrittenInfo info;
  info.trace = trace_of(1);
  info.request_time_ms = began_ms;
  info.execution_duration_ms = took_ms;
  const auto summaries = summarize(record_of(RecordKind::trace_info, mlflow::encode(info)));
  EXPECT_EQ(summaries.size(), 1U);
  return summaries.empty() ? TraceSummary{} : summaries.front();
}

TEST(SummaryOfNumbers, KeepsTimesToTheMillisecond) {
  const auto summary = summary_of_info(1'795'486'846'125, 6'529);
  EXPECT_EQ(summary.start_ns, 1'795'486'846'125'000'000);
  EXPECT_EQ(summary.end_ns, 1'795'486'852'654'000'000);
  EXPECT_EQ(summary_of_info(std::nullopt, std::nullopt).end_ns, 0);
}

TEST(SummaryOfNumbers, CutsTimesThatAreTooManyNanoseconds) {
  constexpr std::int64_t kYear9999Ms = 253'370'764'800'000, kTenThousandYearsMs = 315'576'000'000'000;
  constexpr std::int64_t kYear2100Ns = 4'102'444'800'000'000'000;
  for (const auto began : {std::int64_t{0}, std::int64_t{164'000'000'000'000}, kYear9999Ms}) {
    for (const auto took : {std::int64_t{0}, std::int64_t{9'223'372'036'855}, kTenThousandYearsMs}) {
      const auto summary = summary_of_info(began, took);
      EXPECT_EQ(summary.start_ns > kYear2100Ns, began != 0) << began;
      EXPECT_GE(summary.end_ns, summary.start_ns) << began << " " << took;
      EXPECT_EQ(summary.end_ns - summary.start_ns > kYear2100Ns, took != 0) << began << " " << took;
    }
  }
}

TEST(SummaryOfNumbers, CutsTokensThatAreTooMany) {
  const auto of_tokens = [](std::int64_t tokens) {
    auto span = spanferry::testing::span(trace_number(1), "rootspan", "chat");
    span.message(otlp::span::kAttributes, attribute("gen_ai.usage.input_tokens", integer(tokens)));
    auto summaries = summarize(record_of(RecordKind::spans, request_of({std::move(span)})));
    EXPECT_EQ(summaries.size(), 1U);
    return summaries.empty() ? TraceSummary{} : summaries.front();
  };
  auto sum = of_tokens(INT64_MAX - 1);
  merge(sum, of_tokens(7));
  EXPECT_EQ(sum.input_tokens, INT64_MAX);
  merge(sum, of_tokens(-7));
  EXPECT_EQ(sum.input_tokens, INT64_MAX);
}

}  // namespace
}  // namespace spanferry::spool
