// One page of a search for experiments: those that only we can tell laid into what the far side found, each
// once, under the ids that clients know.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ingest/mlflow_api/api.hpp"
#include "ingest/mlflow_api/experiment_lookup.hpp"
#include "ingest/mlflow_api/experiment_request.hpp"

namespace spanferry::ingest {

struct ExperimentPage {
  std::vector<Experiment> experiments;
  std::optional<ExperimentPosition> next;  // nothing: that was all
};

// A page of the far side's answer; its experiments have no id but the far side's.
struct FarExperiments {
  std::vector<Experiment> experiments;
  std::string next_page;  // its token; empty: the last one
};

// What is known here: all there is in `local`, else what can be told without the far side. In the middle of
// pages that were made with it, those told from here alone.
ExperimentPage known_experiments(const Api& api, const ExperimentRequest& request);

// `far` is the page that request.from is about. What it says of experiments that clients know is kept.
ExperimentPage merged_experiments(Api& api, const ExperimentRequest& request, const FarExperiments& far,
                                  const UnseenEdits& unseen);

// The filter in the far side's terms: its own ids in place of ours.
std::string filter_for_far_side(const Api& api, const ExperimentRequest& request);

}  // namespace spanferry::ingest
