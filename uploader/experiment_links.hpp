// Since when an experiment is linked to Unity Catalog, remembered in the spool: what came in before may have
// begun its way to experiment storage, and stays there then.
#pragma once

#include <string>

#include "spool/spool.hpp"
#include "uploader/experiments.hpp"

namespace spanferry::uploader {

class ExperimentLinks {
 public:
  explicit ExperimentLinks(spool::Spool& spool) : spool_(spool) {}

  // The experiment as the far side describes it now, with `linked_since`. `key`: the same for the same
  // experiment.
  Experiment with_history(const std::string& key, Experiment experiment);

 private:
  spool::Spool& spool_;
};

// An experiment as it is kept in the spool.
std::string encode(const Experiment& experiment);
Experiment decode_experiment(std::string_view text);

}  // namespace spanferry::uploader
