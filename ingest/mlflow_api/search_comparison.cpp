#include "ingest/mlflow_api/search_comparison.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ingest/mlflow_api/search_rules.hpp"

namespace spanferry::ingest {
namespace {

using Kind = SearchWord::Kind;
using Words = std::vector<SearchWord>;

std::unexpected<Error> refused(std::string sentence) {
  return fail(ErrorKind::invalid_input, std::move(sentence));
}

std::string_view between_ends(std::string_view text) { return text.substr(1, text.size() - 2); }

// Takes one from the words; the server joins them by AND, and minds none that is missing.
Result<SearchComparison> next_comparison(const Words& words, std::size_t& at) {
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
    return SearchComparison{name, positive ? "IS NULL" : "IS NOT NULL", std::nullopt};
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
  SearchComparison comparison{name, std::move(comparator), words[value]};
  at = value + 1;
  return comparison;
}

}  // namespace

Result<std::vector<SearchComparison>> search_comparisons(std::string_view filter) {
  if (filter.size() > kMaxFilterBytes)
    return refused(fmt::format("a filter may have {} bytes", kMaxFilterBytes));
  const auto words = search_words(filter);
  if (!words) return std::unexpected(words.error());
  if (words->empty()) return refused(fmt::format("Invalid filter '{}'. Could not be parsed.", filter));
  std::vector<SearchComparison> comparisons;
  for (std::size_t at = 0; at < words->size();) {
    if ((*words)[at].is("and")) {
      ++at;
      continue;
    }
    auto comparison = next_comparison(*words, at);
    if (!comparison) return std::unexpected(std::move(comparison.error()));
    comparisons.push_back(*std::move(comparison));
  }
  return comparisons;
}

Result<std::string> search_text(const SearchWord& word) {
  if (!is_quoted(word.text, '\'') && !is_quoted(word.text, '"'))
    return refused(
        fmt::format("Parameter value is either not quoted or unidentified quote types used for string value "
                    "{}. Use either single or double quotes.",
                    word.text));
  return std::string(between_ends(word.text));
}

Result<std::vector<std::string>> search_list(const SearchWord& word) {
  const auto empty_or_ill = [] {
    return refused(
        "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed "
        "list.");
  };
  std::vector<std::string> values;
  bool wants_value = true;
  std::string_view rest = between_ends(word.text);
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
          word.text));
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

}  // namespace spanferry::ingest
