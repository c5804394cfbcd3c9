// Experiments of an MLflow server or a Databricks workspace (the same calls: CONTRACT 1.7 and 2.2), with a
// durable cache.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "spool/spool.hpp"
#include "uploader/experiment_answer.hpp"
#include "uploader/experiment_links.hpp"
#include "uploader/experiments.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

class MlflowExperiments final : public Experiments {
 public:
  // All outlive it. What is known is asked for anew when it is older than `trust_for`; of a workspace also
  // when it is older than this process.
  MlflowExperiments(const DestinationSettings& settings, spool::Spool& spool, Sender& sender,
                    std::chrono::milliseconds trust_for = std::chrono::minutes(1));

  boost::asio::awaitable<std::expected<Experiment, Verdict>> resolve(const Route& route) override;
  void forget(const Route& route) override;

 private:
  // What is looked for: an id, or else a name.
  struct Wanted {
    std::string id, name;
    bool configured = false;  // by the destination's own settings, not by a record

    [[nodiscard]] std::string describe() const;
  };
  using Answer = std::expected<Experiment, Verdict>;
  struct Known {
    Experiment experiment;
    std::chrono::steady_clock::time_point confirmed;  // by the far side, or read from the spool
  };

  [[nodiscard]] Wanted wanted(const Route& route);
  std::optional<std::string> name_behind(const std::string& provisional_id);
  [[nodiscard]] std::string key(const Wanted& wanted) const;
  std::optional<Experiment> cached(const std::string& key);
  Experiment keep(const std::string& key, Experiment experiment);
  // It is to be in the Unity Catalog location of the settings, and is in none.
  [[nodiscard]] bool wants_link(const Experiment& experiment) const;
  boost::asio::awaitable<Answer> link(const Wanted& wanted, Experiment experiment);

  // Nothing when it is gone, or deleted.
  boost::asio::awaitable<std::optional<Experiment>> confirmed(const Wanted& wanted, Experiment known);
  [[nodiscard]] std::expected<DescribedExperiment, Verdict> found_in(const Wanted& wanted,
                                                                     const Verdict& verdict) const;
  [[nodiscard]] Verdict deleted(const Wanted& wanted, int status) const;
  boost::asio::awaitable<Answer> look_up(const Wanted& wanted);
  boost::asio::awaitable<Verdict> get(const Wanted& wanted);
  boost::asio::awaitable<Verdict> create(const Wanted& wanted);
  boost::asio::awaitable<Answer> pause_until_found(Wanted wanted, std::string reason);
  boost::asio::awaitable<Answer> pause_without_experiment();

  const DestinationSettings& settings_;
  spool::Spool& spool_;
  Sender& sender_;
  const std::chrono::milliseconds trust_for_;
  ExperimentLinks links_;
  const Surface surface_;
  std::unordered_map<std::string, Known> known_;
  std::unordered_set<std::string> unknown_;  // provisional ids that were logged
};

}  // namespace spanferry::uploader
