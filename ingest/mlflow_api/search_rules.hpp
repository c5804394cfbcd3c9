// What of a filter can be compared with what, and how: the server's rules, with its sentences. Used by
// search_filter and search_order alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ingest/mlflow_api/search_filter.hpp"
#include "ingest/mlflow_api/search_words.hpp"

namespace spanferry::ingest {

// Words that are no name where they stand alone.
bool is_reserved(std::string_view word);
// A name the server's parser has a path of its own for: numbers only.
bool is_bare_time(std::string_view name);
bool is_numeric(std::string_view comparator);
std::string upper(std::string_view text);

std::optional<SearchOp> search_op(std::string_view comparator);

// Field and key of `tags.a`, `status`…; errors name the valid ones.
Result<SearchClause> clause_of_name(std::string_view name, bool to_order = false);
// name, prompt, run_id, text and the times in other words.
void name_as_stored(SearchClause& clause);

Result<> check_kind_of_value(const SearchClause& clause, const SearchWord& value);
Result<> check_comparator(const SearchClause& clause, std::string_view comparator);

}  // namespace spanferry::ingest
