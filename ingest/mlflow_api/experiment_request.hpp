// What a client asks in POST /api/2.0/mlflow/experiments/search (CONTRACT 1.7), and where a page of answers
// goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mlflow_api/experiment_filter.hpp"

namespace spanferry::ingest {

// Where the next page begins. To clients it is a word without a meaning.
struct ExperimentPosition {
  bool with_far_side = false;  // the pages before it were made with it
  std::size_t here = 0;        // so many of those told from here have been given out
  // With the far side. Those told from here are settled with the first page, in their order: a search for
  // more than fits a page tells each experiment once, though one becomes known there meanwhile.
  std::vector<std::string> ours;  // ids
  std::size_t there = 0;          // so many of the far side's page have been looked at
  std::string there_page;         // the far side's token of that page; empty: its first
  bool there_has_more = true;
  bool operator==(const ExperimentPosition&) const = default;
};
std::string encode(const ExperimentPosition& position);
// Errors: invalid_input (not given out here).
Result<ExperimentPosition> parse_experiment_position(std::string_view token);

enum class ExperimentView : std::uint8_t { active, deleted, all };

struct ExperimentRequest {
  std::size_t max_results = 1000;
  ExperimentView view = ExperimentView::active;
  std::string filter_text;
  ExperimentFilter filter;
  std::vector<std::string> order_by;
  std::vector<ExperimentOrder> order;
  ExperimentPosition from;
};

// Errors: invalid_input, with the server's sentence.
Result<ExperimentRequest> parse_experiment_request(std::string_view body);

}  // namespace spanferry::ingest
