// What the search for experiments makes of filters and orders, for comparison with MLflow's own
// (tests/e2e/test_experiment_search.py). Reads a file of experiments, each line one as the API writes it, and
// on standard input searches, each line {"filter", "order_by"}. Prints for each `refused`, or `ok` and the
// ids that match, in order. usage: spanferry-search-experiments EXPERIMENTS <SEARCHES
#include <algorithm>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "ingest/mlflow_api/experiment_lookup.hpp"
#include "ingest/mlflow_api/experiment_match.hpp"
#include "ingest/mlflow_api/experiment_request.hpp"

namespace {

using namespace spanferry;
using namespace spanferry::ingest;

std::vector<Experiment> read_experiments(const char* path) {
  std::vector<Experiment> experiments;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    auto experiment = parse_experiment(line);
    if (!experiment) continue;
    experiment->id = experiment->far_id;
    experiments.push_back(*std::move(experiment));
  }
  return experiments;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto experiments = read_experiments(argv[1]);
  for (std::string line; std::getline(std::cin, line);) {
    const auto request = parse_experiment_request(line);
    if (!request) {
      std::cout << "refused\n";
      continue;
    }
    std::vector<std::pair<ExperimentPlace, std::string>> found;
    for (const Experiment& one : experiments)
      if (matches(request->filter, one))
        found.emplace_back(ExperimentPlace(request->order, one, one.id), one.id);
    std::ranges::sort(found, [](const auto& a, const auto& b) { return a.first.before(b.first); });
    std::cout << "ok";
    for (const auto& [place, id] : found) std::cout << ' ' << id;
    std::cout << '\n';
  }
  return 0;
}
