// What a client asks in POST /api/3.0/mlflow/traces/search (CONTRACT 1.4) and its long-running form (2.2),
// and where a page of answers goes on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mlflow_api/search_filter.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {

// Where the next page begins, here and at the far side. To clients it is a word without a meaning.
struct SearchPosition {
  Seq until = 0;               // records from here on came after the first page; 0: it is the first
  std::uint64_t here = 0;      // so many of what is found here have been given out
  std::uint64_t there = 0;     // and of the far side's page
  std::string there_page;      // the far side's token of that page; empty: its first
  bool there_has_more = true;  // false: all that the far side has was given out
  bool operator==(const SearchPosition&) const = default;
};
std::string encode(const SearchPosition& position);
Result<SearchPosition> parse_search_position(std::string_view token);

struct SearchRequest {
  std::vector<std::string> experiments;  // ids, as the client knows them
  std::vector<std::string> tables;       // Unity Catalog: catalog.schema[.prefix]
  std::string filter_text;
  SearchFilter filter;
  std::vector<std::string> order_by;
  std::vector<SearchOrder> order;
  std::size_t max_results = 100;
  std::string warehouse;  // sql_warehouse_id
  SearchPosition from;
};

// Errors: invalid_input, with the server's sentence.
Result<SearchRequest> parse_search_request(std::string_view body);

}  // namespace spanferry::ingest
