// Whole traces to a Databricks workspace. Where the experiment of a trace keeps its traces decides how it is
// delivered.
#include <fmt/format.h>

#include "uploader/databricks_experiment_storage.hpp"
#include "uploader/databricks_written.hpp"
#include "uploader/trace_track.hpp"
#include "uploader/written_delivery.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

constexpr int kMaxExperimentRounds = 3;

class DatabricksDelivery final : public TraceDelivery {
 public:
  explicit DatabricksDelivery(const TrackContext& context)
      : context_(context), storage_(context), written_(context) {}

  [[nodiscard]] bool ready(const TraceId& /*trace*/, Seq /*first*/) const override { return true; }
  void stop() override {
    storage_.stop();
    written_.stop();
  }

  asio::awaitable<TraceOutcome> deliver(GatheredTrace& gathered) override {
    for (int round = 1;; ++round) {
      auto experiment = co_await experiment_for(gathered.route);
      if (!experiment) co_return TraceOutcome::of(std::move(experiment.error()));
      auto outcome = gathered.has_own_info() ? co_await written_.deliver(gathered, experiment->id)
                                             : co_await storage_.deliver(gathered, experiment->id);
      // A 400 may be about the trace, or about an experiment that was deleted: looking it up tells.
      const bool in_doubt = outcome && outcome->kind == TraceOutcome::Kind::refused &&
                            outcome->refusal.status == 400 && round == 1;
      if (outcome && !in_doubt) co_return *std::move(outcome);
      // The experiment may be gone; then it is looked up anew, a few times.
      if (round >= kMaxExperimentRounds) {
        Verdict verdict = std::move(outcome.error());
        verdict.action = Action::split;
        verdict.reason = fmt::format("experiment {} is gone: {}", experiment->id, verdict.reason);
        co_return TraceOutcome::refused(std::move(verdict));
      }
      context_.experiments->forget(gathered.route);
    }
  }

 private:
  asio::awaitable<std::expected<Experiment, Verdict>> experiment_for(const Route& route) {
    Experiments& experiments = *context_.experiments;
    auto experiment = co_await experiments.resolve(route);
    while (experiment && !experiment->unity_catalog_table.empty()) {
      const std::string reason = fmt::format(
          "experiment {} keeps its traces in the Unity Catalog table {}; this version delivers to experiment "
          "storage only: name another experiment (MLFLOW_EXPERIMENT_NAME)",
          experiment->id, experiment->unity_catalog_table);
      const bool go_on = co_await context_.sender.pause_config(reason, [&]() -> asio::awaitable<bool> {
        experiments.forget(route);
        experiment = co_await experiments.resolve(route);
        co_return !experiment || experiment->unity_catalog_table.empty();
      });
      if (!go_on) co_return std::unexpected(Verdict{});
    }
    co_return experiment;
  }

  const TrackContext context_;
  ExperimentStorageDelivery storage_;
  WrittenStorageDelivery written_;
};

}  // namespace

std::unique_ptr<Track> make_databricks_track(TrackContext context) {
  return make_trace_track(
      context, {context.settings.name, true},
      make_written_delivery(context, Surface::databricks_api, std::make_unique<DatabricksDelivery>(context)));
}

}  // namespace spanferry::uploader
