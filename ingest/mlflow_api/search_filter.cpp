#include "ingest/mlflow_api/search_filter.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "ingest/mlflow_api/search_comparison.hpp"
#include "ingest/mlflow_api/search_rules.hpp"
#include "ingest/mlflow_api/search_words.hpp"
#include "model/lower.hpp"

namespace spanferry::ingest {
namespace {

using Kind = SearchWord::Kind;

std::unexpected<Error> refused(std::string sentence) {
  return fail(ErrorKind::invalid_input, std::move(sentence));
}

Result<> read_value(const SearchWord& word, SearchClause& clause) {
  if (auto fits = check_kind_of_value(clause, word); !fits) return fits;
  switch (word.kind) {
    case Kind::list: {
      auto values = search_list(word);
      if (!values) return std::unexpected(std::move(values.error()));
      clause.list = *std::move(values);
      return {};
    }
    case Kind::number: {
      const auto [end, error] =
          std::from_chars(word.text.data(), word.text.data() + word.text.size(), clause.number);
      if (error != std::errc() || end != word.text.data() + word.text.size())
        return refused(fmt::format("Invalid number {}", word.text));
      clause.is_number = true;
      return {};
    }
    default:
      break;
  }
  auto text = search_text(word);
  if (!text) return std::unexpected(std::move(text.error()));
  clause.text = *std::move(text);
  return {};
}

bool is_integer(const SearchWord& word) {
  return word.kind == Kind::number && word.text.find_first_of(".eE") == std::string_view::npos;
}

Result<SearchClause> read_clause(const SearchComparison& comparison) {
  auto clause = clause_of_name(comparison.name.text);
  if (!clause) return clause;
  if (is_bare_time(comparison.name.text) &&
      !(comparison.value && is_integer(*comparison.value) && is_numeric(comparison.comparator)))
    return refused(fmt::format("Invalid clause(s) in filter string: '{}', '{}'", comparison.name.text,
                               comparison.comparator));
  const auto op = search_op(comparison.comparator);
  if (op) clause->op = *op;
  if (comparison.value) {
    if (auto read = read_value(*comparison.value, *clause); !read)
      return std::unexpected(std::move(read.error()));
  }
  if (clause->field == SearchField::span) {
    // Of spans alone the server takes the comparators in capitals only.
    const bool capital = comparison.comparator == upper(comparison.comparator);
    if (auto fits = check_comparator(*clause, capital ? comparison.comparator : std::string("?")); !fits)
      return std::unexpected(std::move(fits.error()));
  }
  name_as_stored(*clause);
  return clause;
}

}  // namespace

bool holds_between(SearchOp op, double left, double right) {
  switch (op) {
    case SearchOp::equal:
      return left == right;
    case SearchOp::not_equal:
      return left != right;
    case SearchOp::less:
      return left < right;
    case SearchOp::less_equal:
      return left <= right;
    case SearchOp::greater:
      return left > right;
    case SearchOp::greater_equal:
      return left >= right;
    default:
      return false;
  }
}

Result<SearchFilter> parse_search_filter(std::string_view text) {
  SearchFilter filter;
  if (text.empty()) return filter;
  const auto comparisons = search_comparisons(text);
  if (!comparisons) return std::unexpected(comparisons.error());
  std::vector<std::string> comparators;
  for (const SearchComparison& comparison : *comparisons) {
    auto clause = read_clause(comparison);
    if (!clause) return std::unexpected(std::move(clause.error()));
    filter.push_back(*std::move(clause));
    comparators.push_back(comparison.comparator);
  }
  // All is read before anything is held against what can be compared how.
  for (std::size_t i = 0; i < filter.size(); ++i)
    if (auto fits = check_comparator(filter[i], comparators[i]); !fits)
      return std::unexpected(std::move(fits.error()));
  return filter;
}

}  // namespace spanferry::ingest
