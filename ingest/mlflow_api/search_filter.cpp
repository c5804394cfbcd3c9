#include "ingest/mlflow_api/search_filter.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ingest/mlflow_api/search_rules.hpp"
#include "ingest/mlflow_api/search_words.hpp"
#include "model/lower.hpp"

namespace spanferry::ingest {
namespace {

using Kind = SearchWord::Kind;
using Words = std::vector<SearchWord>;

std::unexpected<Error> refused(std::string sentence) {
  return fail(ErrorKind::invalid_input, std::move(sentence));
}

std::string_view between_ends(std::string_view text) { return text.substr(1, text.size() - 2); }

// A comparison as it stands, not yet looked at.
struct Comparison {
  SearchWord name;
  std::string comparator;
  std::optional<SearchWord> value;  // none: IS [NOT] NULL
};

// Takes one from the words; the server joins them by AND, and minds none that is missing.
Result<Comparison> next_comparison(const Words& words, std::size_t& at) {
  const auto is = [&](std::size_t i, std::string_view keyword) {
    return i < words.size() && words[i].is(keyword);
  };
  const auto invalid = [&] {
    std::vector<std::string> all;
    for (std::size_t i = at; i < std::min(at + 3, words.size()); ++i)
      all.push_back(fmt::format("'{}'", words[i].text));
    return refused(fmt::format("Invalid clause(s) in filter string: {}", fmt::join(all, ", ")));
  };
  const SearchWord& name = words[at];
  if (name.kind != Kind::name || is_reserved(name.text)) return invalid();
  if (is(at + 1, "is")) {
    const std::size_t null = at + (is(at + 2, "not") ? 3 : 2);
    if (!is(null, "null")) return invalid();
    const bool positive = null == at + 2;
    at = null + 1;
    return Comparison{name, positive ? "IS NULL" : "IS NOT NULL", std::nullopt};
  }
  std::size_t value = at + 2;
  std::string comparator(at + 1 < words.size() ? words[at + 1].text : std::string_view());
  if (is(at + 1, "not")) {
    if (!is(at + 2, "in") && !is(at + 2, "like") && !is(at + 2, "ilike")) return invalid();
    comparator = fmt::format("NOT {}", words[at + 2].text);
    ++value;
  }
  const std::string known = upper(comparator);
  const bool of_list = known == "IN" || known == "NOT IN";
  const bool is_comparison =
      of_list || (at + 1 < words.size() && words[at + 1].kind == Kind::compare) || known.ends_with("LIKE");
  if (!is_comparison || value >= words.size() || (words[value].kind == Kind::list) != of_list ||
      words[value].kind == Kind::other)
    return invalid();
  Comparison comparison{name, std::move(comparator), words[value]};
  at = value + 1;
  return comparison;
}

// 'a', "b": as Python's literals.
Result<std::vector<std::string>> read_list(std::string_view list) {
  const auto empty_or_ill = [] {
    return refused(
        "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed "
        "list.");
  };
  std::vector<std::string> values;
  bool wants_value = true;
  std::string_view rest = between_ends(list);
  while (true) {
    while (!rest.empty() && (rest.front() == ' ' || (rest.front() >= '\t' && rest.front() <= '\r')))
      rest.remove_prefix(1);
    if (rest.empty()) break;
    if (rest.front() == ',') {
      if (wants_value) return empty_or_ill();
      wants_value = true;
      rest.remove_prefix(1);
      continue;
    }
    const char quote = rest.front();
    const std::size_t end = rest.find(quote, 1);
    if ((quote != '\'' && quote != '"') || end == std::string_view::npos)
      return refused(fmt::format(
          "While parsing a list in the query, expected string value, punctuation, or whitespace, but got "
          "different type in list: {}",
          list));
    const auto value = rest.substr(1, end - 1);
    if (wants_value) {
      values.emplace_back(value);
    } else {
      values.back() += value;
    }
    wants_value = false;
    rest.remove_prefix(end + 1);
  }
  if (values.empty())
    return refused(
        "While parsing a list in the query, expected a non-empty list of string values, but got empty list");
  return values;
}

Result<> read_value(const SearchWord& word, SearchClause& clause) {
  if (auto fits = check_kind_of_value(clause, word); !fits) return fits;
  switch (word.kind) {
    case Kind::list: {
      auto values = read_list(word.text);
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
  if (!is_quoted(word.text, '\'') && !is_quoted(word.text, '"'))
    return refused(
        fmt::format("Parameter value is either not quoted or unidentified quote types used for string value "
                    "{}. Use either single or double quotes.",
                    word.text));
  clause.text = between_ends(word.text);
  return {};
}

bool is_integer(const SearchWord& word) {
  return word.kind == Kind::number && word.text.find_first_of(".eE") == std::string_view::npos;
}

Result<SearchClause> read_clause(const Comparison& comparison) {
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
  if (text.size() > kMaxFilterBytes)
    return refused(fmt::format("a filter may have {} bytes", kMaxFilterBytes));
  const auto words = search_words(text);
  if (!words) return std::unexpected(words.error());
  if (words->empty()) return refused(fmt::format("Invalid filter '{}'. Could not be parsed.", text));
  std::vector<std::string> comparators;
  for (std::size_t at = 0; at < words->size();) {
    if ((*words)[at].is("and")) {
      ++at;
      continue;
    }
    const auto comparison = next_comparison(*words, at);
    if (!comparison) return std::unexpected(comparison.error());
    auto clause = read_clause(*comparison);
    if (!clause) return std::unexpected(std::move(clause.error()));
    filter.push_back(*std::move(clause));
    comparators.push_back(comparison->comparator);
  }
  // All is read before anything is held against what can be compared how.
  for (std::size_t i = 0; i < filter.size(); ++i)
    if (auto fits = check_comparator(filter[i], comparators[i]); !fits)
      return std::unexpected(std::move(fits.error()));
  return filter;
}

}  // namespace spanferry::ingest
