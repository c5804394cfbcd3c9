// Experiments by name and id, as far as they are known here or can be asked for in the time there is. A
// client looks them up in the app's own thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ingest/mlflow_api/api.hpp"

namespace spanferry::ingest {

struct KnownExperiment {
  std::optional<Experiment> experiment;  // nothing: there is none
  bool partial = false;                  // the far side did not say so
};
using ExperimentHandler = std::move_only_function<void(Result<KnownExperiment>)>;

// Known ones at once, refreshed behind. Of an unknown name the far side is asked, for a second at most; where
// it does not answer, the name gets a provisional id. `done` is called once, on this thread or another.
void look_up_name(Api& api, std::string name, ExperimentHandler done);
void look_up_id(Api& api, std::string id, ExperimentHandler done);

// Gives the name a provisional id, or the one it has, and tells both ends; `done` when that is durable.
void give_provisional_id(Api& api, const std::string& name,
                         std::vector<std::pair<std::string, std::string>> tags, std::uint64_t made_by,
                         ExperimentHandler done);

// Of an answer of the far side: {"experiment": …} or an experiment itself. Nothing if it holds none.
std::optional<Experiment> parse_experiment(std::string_view json);
// A client here has made or changed it, and the far side has not got all of that yet.
bool is_edited(const Api& api, const Experiment& experiment);
// Keeps what the far side says of an experiment: under the id that clients know, if they know one, and with
// the tags that it has not got yet.
Experiment keep_experiment(Api& api, Experiment experiment);

}  // namespace spanferry::ingest
