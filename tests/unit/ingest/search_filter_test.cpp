// The language as a whole is held against MLflow's own store by tests/e2e/test_search_language.py.
#include "ingest/mlflow_api/search_filter.hpp"

#include <gtest/gtest.h>

#include "ingest/mlflow_api/search_comparison.hpp"
#include "ingest/mlflow_api/search_match.hpp"

namespace spanferry::ingest {
namespace {

TEST(SearchFilter, ReadsTheFormsOfTheGuide) {
  const auto filter = parse_search_filter(
      "attributes.client_request_id = 'req-1' AND tags.`mlflow.trace.user` = \"u\" and timestamp > 5");
  ASSERT_TRUE(filter) << filter.error().sentence;
  ASSERT_EQ(filter->size(), 3U);
  EXPECT_EQ((*filter)[0],
            (SearchClause{
                .field = SearchField::attribute, .key = "client_request_id", .text = "req-1", .list = {}}));
  EXPECT_EQ((*filter)[1].field, SearchField::tag);
  EXPECT_EQ((*filter)[1].key, "mlflow.trace.user");
  EXPECT_EQ((*filter)[2].key, "timestamp_ms");
  EXPECT_EQ((*filter)[2].op, SearchOp::greater);
  EXPECT_EQ((*filter)[2].number, 5);
}

TEST(SearchFilter, NamesTheValidKeysWhereOneIsNot) {
  const auto filter = parse_search_filter("trace_id = 'x'");
  ASSERT_FALSE(filter);
  EXPECT_EQ(filter.error().kind, ErrorKind::invalid_input);
  EXPECT_TRUE(filter.error().sentence.starts_with("Invalid attribute key 'trace_id' specified."));
  for (const auto* key : {"name", "timestamp_ms", "request_id", "client_request_id", "status", "run_id"})
    EXPECT_TRUE(filter.error().sentence.contains(std::string("'") + key + "'")) << key;
}

TEST(SearchFilter, RefusesWhatIsNoListOfComparisons) {
  for (const auto* text : {" ", "status", "a.b.c", "status = 'OK' OR status = 'ERROR'", "(status = 'OK')",
                           "'", "tags.k = '", "tags.`k = 'a'", "status IN (", "=", "((((", "status = 'OK';"})
    EXPECT_FALSE(parse_search_filter(text)) << text;
  EXPECT_FALSE(parse_search_filter(std::string(kMaxFilterBytes + 1, 'a')));
}

TEST(SearchFilter, LooksForPatternsAsSqlDoes) {
  EXPECT_TRUE(is_like("abcabd", "%abd", false));
  EXPECT_TRUE(is_like("aüc", "a_c", false));
  EXPECT_FALSE(is_like("abc", "ab", false));
  EXPECT_FALSE(is_like("ABC", "abc", false));
  EXPECT_TRUE(is_like("ABC", "a%", true));
  EXPECT_TRUE(is_like("", "%%", false));
  EXPECT_FALSE(is_like("", "_", false));
}

TEST(SearchOrder, IsNewestFirstAndThenById) {
  const auto order = parse_search_order({"execution_time DESC"});
  ASSERT_TRUE(order);
  EXPECT_EQ(*order, (std::vector<SearchOrder>{{SearchField::attribute, "execution_time_ms", false},
                                              {SearchField::attribute, "timestamp_ms", false},
                                              {SearchField::attribute, "request_id", true}}));
  EXPECT_FALSE(parse_search_order({"timestamp up"}));
  EXPECT_FALSE(parse_search_order({"timestamp", "timestamp_ms"}));
}

}  // namespace
}  // namespace spanferry::ingest
