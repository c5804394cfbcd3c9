#include "uploader/otlp_reader.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace spanferry::testing
