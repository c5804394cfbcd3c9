// The comparisons a search filter is made of, as they stand: what can be compared with what is for those who
// know what is searched (search_filter, experiment_filter).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mlflow_api/search_words.hpp"
#include "model/result.hpp"

namespace spanferry::ingest {

inline constexpr std::size_t kMaxFilterBytes = 64U << 10;

// Views into the filter.
struct SearchComparison {
  SearchWord name;
  std::string comparator;           // as written, but IS NULL, IS NOT NULL and the NOT of NOT IN in capitals
  std::optional<SearchWord> value;  // none: IS [NOT] NULL
};

// All of a filter that is not empty; joined by AND. Errors: invalid_input, with the server's sentence.
Result<std::vector<SearchComparison>> search_comparisons(std::string_view filter);

// What stands in the quotes. Errors: invalid_input (there are none).
Result<std::string> search_text(const SearchWord& word);
// ('a', "b"), as Python's literals. Errors: invalid_input.
Result<std::vector<std::string>> search_list(const SearchWord& word);

}  // namespace spanferry::ingest
