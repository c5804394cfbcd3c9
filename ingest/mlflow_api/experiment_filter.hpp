// The filter and the order of a search for experiments, in the language of MLflow's server: other names and
// comparators than those of traces. Source: mlflow 3.17, SearchExperimentsUtils and the SQL store's use of
// it; tests/e2e/test_experiment_search.py holds both together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mlflow_api/search_filter.hpp"
#include "model/result.hpp"

namespace spanferry::ingest {

enum class ExperimentField : std::uint8_t { name, id, created, updated, tag };

struct ExperimentClause {
  ExperimentField field = ExperimentField::name;
  std::string key;  // of a tag
  SearchOp op = SearchOp::equal;
  std::string text;               // of name and tag
  std::int64_t number = 0;        // of created and updated, ms
  std::vector<std::int64_t> ids;  // of id: one of them
  std::size_t at = 0, size = 0;   // where in the filter the value stands
};

// All of them must hold; none: every experiment matches.
using ExperimentFilter = std::vector<ExperimentClause>;

// Errors: invalid_input, with the server's sentence.
Result<ExperimentFilter> parse_experiment_filter(std::string_view text);

struct ExperimentOrder {
  ExperimentField field = ExperimentField::created;  // no tag
  bool ascending = false;
};
// "name DESC", "creation_time". What is asked for, or the newest first; then by id, so that the order is
// whole. Errors: as above.
Result<std::vector<ExperimentOrder>> parse_experiment_order(const std::vector<std::string>& order_by);

// An experiment's id as the server reads it: a number. Errors: invalid_input.
Result<std::int64_t> parse_experiment_id(std::string_view text);

}  // namespace spanferry::ingest
