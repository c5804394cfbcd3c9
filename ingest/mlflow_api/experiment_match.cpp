#include "ingest/mlflow_api/experiment_match.hpp"

#include <algorithm>

#include "ingest/mlflow_api/search_match.hpp"

namespace spanferry::ingest {
namespace {

bool holds(const ExperimentClause& clause, const std::string& value) {
  switch (clause.op) {
    case SearchOp::equal:
      return value == clause.text;
    case SearchOp::not_equal:
      return value != clause.text;
    case SearchOp::like:
      return is_like(value, clause.text, false);
    case SearchOp::ilike:
      return is_like(value, clause.text, true);
    default:
      return false;
  }
}

bool holds(const ExperimentClause& clause, std::int64_t value) {
  switch (clause.op) {
    case SearchOp::equal:
      return value == clause.number;
    case SearchOp::not_equal:
      return value != clause.number;
    case SearchOp::less:
      return value < clause.number;
    case SearchOp::less_equal:
      return value <= clause.number;
    case SearchOp::greater:
      return value > clause.number;
    case SearchOp::greater_equal:
      return value >= clause.number;
    default:
      return false;
  }
}

// An id that is no number is none that is looked for.
bool is_one_of(const ExperimentClause& clause, const std::string& id) {
  const auto number = parse_experiment_id(id);
  const bool found = number && std::ranges::find(clause.ids, *number) != clause.ids.end();
  return found == (clause.op == SearchOp::equal || clause.op == SearchOp::in);
}

// A tag that is not there is not unequal either.
bool tag_holds(const ExperimentClause& clause, const Experiment& experiment) {
  const auto found =
      std::ranges::find(experiment.tags, clause.key, &std::pair<std::string, std::string>::first);
  const bool is_there = found != experiment.tags.end();
  if (clause.op == SearchOp::is_null) return !is_there;
  if (clause.op == SearchOp::is_not_null) return is_there;
  return is_there && holds(clause, found->second);
}

bool matches(const ExperimentClause& clause, const Experiment& experiment) {
  switch (clause.field) {
    case ExperimentField::name:
      return holds(clause, experiment.name);
    case ExperimentField::id:
      return is_one_of(clause, experiment.id);
    case ExperimentField::created:
      return holds(clause, experiment.created_ms);
    case ExperimentField::updated:
      return holds(clause, experiment.updated_ms);
    case ExperimentField::tag:
      return tag_holds(clause, experiment);
  }
  return false;
}

}  // namespace

bool matches(const ExperimentFilter& filter, const Experiment& experiment) {
  return std::ranges::all_of(filter,
                             [&](const ExperimentClause& clause) { return matches(clause, experiment); });
}

ExperimentPlace::ExperimentPlace(const std::vector<ExperimentOrder>& order, const Experiment& experiment,
                                 const std::string& id) {
  for (const ExperimentOrder& one : order) {
    switch (one.field) {
      case ExperimentField::created:
        keys_.push_back({experiment.created_ms, one.ascending});
        break;
      case ExperimentField::updated:
        keys_.push_back({experiment.updated_ms, one.ascending});
        break;
      case ExperimentField::id:
        keys_.push_back({parse_experiment_id(id).value_or(0), one.ascending});
        break;
      case ExperimentField::name:
      case ExperimentField::tag:
        keys_.push_back({experiment.name, one.ascending});
        break;
    }
  }
}

bool ExperimentPlace::before(const ExperimentPlace& other) const {
  for (std::size_t i = 0; i < std::min(keys_.size(), other.keys_.size()); ++i) {
    if (keys_[i].value == other.keys_[i].value) continue;
    return (keys_[i].value < other.keys_[i].value) == keys_[i].ascending;
  }
  return false;
}

}  // namespace spanferry::ingest
