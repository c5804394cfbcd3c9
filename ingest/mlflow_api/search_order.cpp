#include <algorithm>

#include <fmt/format.h>

#include "ingest/mlflow_api/search_filter.hpp"
#include "ingest/mlflow_api/search_rules.hpp"
#include "ingest/mlflow_api/search_words.hpp"

namespace spanferry::ingest {
namespace {

std::unexpected<Error> refused(std::string sentence) {
  return fail(ErrorKind::invalid_input, std::move(sentence));
}

Result<SearchOrder> parse_one(const std::string& text) {
  const auto order = order_clause(text);
  if (!order) return std::unexpected(order.error());
  auto clause = clause_of_name(order->name, true);
  if (!clause) return std::unexpected(std::move(clause.error()));
  name_as_stored(*clause);
  if (clause->field != SearchField::attribute && clause->field != SearchField::tag &&
      clause->field != SearchField::metadata)
    return refused(fmt::format("Invalid order_by clause '{}'.", text));
  return SearchOrder{clause->field, std::move(clause->key), order->ascending};
}

}  // namespace

Result<std::vector<SearchOrder>> parse_search_order(const std::vector<std::string>& order_by) {
  std::vector<SearchOrder> orders;
  const auto has = [&orders](SearchField field, std::string_view key) {
    return std::ranges::any_of(
        orders, [&](const SearchOrder& order) { return order.field == field && order.key == key; });
  };
  for (const std::string& one : order_by) {
    auto order = parse_one(one);
    if (!order) return std::unexpected(std::move(order.error()));
    if (has(order->field, order->key))
      return refused(fmt::format("`order_by` contains duplicate fields: {}", one));
    orders.push_back(*std::move(order));
  }
  if (!has(SearchField::attribute, "timestamp_ms")) orders.emplace_back();
  if (!has(SearchField::attribute, "request_id"))
    orders.push_back({SearchField::attribute, "request_id", true});
  return orders;
}

}  // namespace spanferry::ingest
