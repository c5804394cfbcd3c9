// The filter of a search for traces, in the language of MLflow's server. CONTRACT 1.4; what the server's own
// parser takes and refuses was tried against it (tests/e2e/test_search_language.py).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.hpp"

namespace spanferry::ingest {

enum class SearchField : std::uint8_t {
  attribute,  // status, request_id, client_request_id, timestamp_ms, execution_time_ms, end_time_ms
  tag,        // also name and prompt, which are tags
  metadata,   // also run_id
  feedback,
  expectation,
  issue,
  span,  // name, type, status, content, attributes.KEY
};

enum class SearchOp : std::uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  like,
  ilike,
  rlike,
  in,
  not_in,
  is_null,
  is_not_null,
};

// Of two numbers; false for what compares no numbers.
bool holds_between(SearchOp op, double left, double right);

struct SearchClause {
  SearchField field = SearchField::attribute;
  std::string key;
  SearchOp op = SearchOp::equal;
  std::string text;
  std::vector<std::string> list;  // of in, not_in
  double number = 0;
  bool is_number = false;
  bool operator==(const SearchClause&) const = default;
};

// All of them must hold; none: every trace matches.
using SearchFilter = std::vector<SearchClause>;

// At most kMaxFilterBytes. Errors: invalid_input, with the server's sentence.
Result<SearchFilter> parse_search_filter(std::string_view text);

struct SearchOrder {
  SearchField field = SearchField::attribute;  // attribute, tag or metadata
  std::string key = "timestamp_ms";
  bool ascending = false;
  bool operator==(const SearchOrder&) const = default;
};
// "timestamp_ms DESC", "tags.`a b`". Newest first and then by id where what is asked for leaves it open: both
// are in what is returned. Errors: as above.
Result<std::vector<SearchOrder>> parse_search_order(const std::vector<std::string>& order_by);

}  // namespace spanferry::ingest
