// Experiments by name and id, as far as they are known here or can be asked for in the time there is. A
// client looks them up in the app's own thread.
#pragma once

#include <functional>
#include <optional>
#include <set>
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
// What clients here have made or changed that an answer of the far side need not show: it had not got there
// when the far side was asked, or came since.
class UnseenEdits {
 public:
  // To be made before the far side is asked.
  explicit UnseenEdits(const Api& api);
  [[nodiscard]] bool of(const Experiment& experiment) const;

 private:
  Seq last_ = 0;             // of all records that changed an experiment then
  std::set<Seq> not_there_;  // of those the ones that were not delivered
};

// Keeps what the far side says of an experiment: under the id that clients know, if they know one, and with
// the tags that its answer need not show.
Experiment keep_experiment(Api& api, Experiment experiment, const UnseenEdits& unseen);

}  // namespace spanferry::ingest
