// Whether an experiment is what a search looks for, and where in its order it stands: as the server's SQL
// does it on SQLite. Source: as experiment_filter.hpp.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "ingest/mlflow_api/experiment_book.hpp"
#include "ingest/mlflow_api/experiment_filter.hpp"

namespace spanferry::ingest {

bool matches(const ExperimentFilter& filter, const Experiment& experiment);

class ExperimentPlace {
 public:
  // `id`: the one that the order is by, ours or the far side's.
  ExperimentPlace(const std::vector<ExperimentOrder>& order, const Experiment& experiment,
                  const std::string& id);
  // Whether it comes before the other, of the same order.
  [[nodiscard]] bool before(const ExperimentPlace& other) const;

 private:
  struct Key {
    std::variant<std::int64_t, std::string> value;
    bool ascending = true;
  };
  std::vector<Key> keys_;
};

}  // namespace spanferry::ingest
