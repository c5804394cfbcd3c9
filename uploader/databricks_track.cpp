// Whole traces to a Databricks workspace: to experiment storage, or to the Unity Catalog table that their
// experiment is linked to. A trace that is somewhere already stays there.
#include <fmt/format.h>

#include "uploader/databricks_experiment_storage.hpp"
#include "uploader/databricks_table.hpp"
#include "uploader/databricks_written.hpp"
#include "uploader/table_edits.hpp"
#include "uploader/trace_track.hpp"
#include "uploader/written_delivery.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

constexpr int kMaxExperimentRounds = 3;

class DatabricksDelivery final : public TraceDelivery {
 public:
  explicit DatabricksDelivery(const TrackContext& context)
      : context_(context),
        calls_(context, Surface::databricks_api),
        storage_(context),
        written_(context),
        table_(context),
        ids_(context.spool, context.settings.name),
        table_edits_(calls_, ids_, context.settings.sql_warehouse_id) {}

  [[nodiscard]] bool ready(const TraceId& /*trace*/, Seq /*first*/) const override { return true; }
  void stop() override {
    calls_.sleeps().stop();
    storage_.stop();
    written_.stop();
    table_.stop();
  }

  asio::awaitable<std::optional<EditOutcome>> apply(const GatheredTrace& gathered,
                                                    const mlflow::TraceEdit& edit,
                                                    bool may_be_done) override {
    auto place = co_await place_of(gathered);
    if (!place) {
      Verdict& verdict = place.error();
      if (verdict.action == Action::stopped) co_return EditOutcome{};
      const bool is_early = verdict.action == Action::held;
      co_return EditOutcome{is_early ? EditOutcome::Kind::early : EditOutcome::Kind::refused,
                            std::move(verdict)};
    }
    if (place->table.path.empty()) co_return std::nullopt;
    co_return co_await table_edits_.apply(place->table.path, gathered.trace.id, edit, may_be_done);
  }

  [[nodiscard]] std::optional<std::string> cannot_remove(const TraceId& trace) override {
    if (!table_.knows(trace)) return std::nullopt;
    return "the workspace has no call that deletes a trace from a Unity Catalog table: delete its rows there";
  }

  asio::awaitable<TraceOutcome> deliver(GatheredTrace& gathered) override {
    for (int round = 1;; ++round) {
      auto place = co_await place_of(gathered);
      if (!place) co_return TraceOutcome::of(std::move(place.error()));
      auto outcome = co_await deliver_to(gathered, *place);
      // A 400 may be about the trace, or about an experiment that was deleted or linked elsewhere: looking it
      // up tells.
      const bool in_doubt = outcome && outcome->kind == TraceOutcome::Kind::refused &&
                            outcome->refusal.status == 400 && round == 1;
      if (outcome && !in_doubt) co_return *std::move(outcome);
      // It may be gone; then it is looked up anew, a few times.
      if (!in_doubt && (round >= kMaxExperimentRounds || place->experiment.empty()))
        co_return gone(*place, std::move(outcome.error()));
      context_.experiments->forget(gathered.route);
    }
  }

 private:
  struct Place {
    std::string experiment;       // empty: the record names its table itself
    mlflow::TableLocation table;  // empty: experiment storage
  };

  asio::awaitable<std::expected<Place, Verdict>> place_of(const GatheredTrace& gathered) {
    const Route& route = gathered.route;
    const bool in_table = table_.knows(gathered.trace.id);
    const bool in_storage = !in_table && gathered.mark && gathered.mark->told();
    if (!route.table.empty() && !in_storage) co_return Place{{}, mlflow::table_location({}, route.table)};
    auto experiment = co_await context_.experiments->resolve(route);
    if (!experiment) co_return std::unexpected(std::move(experiment.error()));
    Place place{experiment->id, {experiment->unity_catalog_path, experiment->unity_catalog_table}};
    if (place.table.empty() || in_storage) co_return Place{experiment->id, {}};
    // It may have begun there: by the process before, or by another daemon.
    const bool may_be_in_storage =
        gathered.parts.front().seq < experiment->linked_since || gathered.trace.root() == nullptr;
    if (!may_be_in_storage || in_table) co_return place;
    Verdict verdict = co_await calls_.trace_info(gathered.trace.id);
    if (verdict.action == Action::not_found || verdict.action == Action::fallback) co_return place;
    if (verdict.action != Action::done) co_return std::unexpected(std::move(verdict));
    co_return Place{experiment->id, {}};
  }

  asio::awaitable<std::expected<TraceOutcome, Verdict>> deliver_to(GatheredTrace& gathered,
                                                                   const Place& place) {
    if (!place.table.empty()) co_return co_await table_.deliver(gathered, place.table);
    if (gathered.has_own_info()) co_return co_await written_.deliver(gathered, place.experiment);
    co_return co_await storage_.deliver(gathered, place.experiment);
  }

  static TraceOutcome gone(const Place& place, Verdict verdict) {
    if (place.table.empty()) {
      verdict.action = Action::split;
      verdict.reason = fmt::format("experiment {} is gone: {}", place.experiment, verdict.reason);
      return TraceOutcome::refused(std::move(verdict));
    }
    // Somebody may still create it: what is for it waits.
    verdict.action = Action::held;
    verdict.reason =
        fmt::format("the Unity Catalog table {} is not there: {}", place.table.spans_table, verdict.reason);
    return TraceOutcome::of(std::move(verdict));
  }

  const TrackContext context_;
  TraceCalls calls_;
  ExperimentStorageDelivery storage_;
  WrittenStorageDelivery written_;
  TableDelivery table_;
  AssessmentIds ids_;
  TableEdits table_edits_;
};

}  // namespace

std::unique_ptr<Track> make_databricks_track(TrackContext context) {
  return make_trace_track(
      context, {context.settings.name, true},
      make_written_delivery(context, Surface::databricks_api, std::make_unique<DatabricksDelivery>(context)));
}

}  // namespace spanferry::uploader
