// Whole traces to Databricks experiment storage: StartTrace first, then the span file to the storage behind
// the workspace. What is there already is never replaced by less.
#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include "model/mlflow_json.hpp"
#include "uploader/databricks_storage.hpp"
#include "uploader/trace_track.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// Set while no daemon that saw the root has told about the trace: who comes next must merge.
constexpr const char* kPartial = "spanferry.partial";
constexpr int kMaxExperimentRounds = 3;
constexpr int kMaxMergeRounds = 5;

class DatabricksDelivery final : public TraceDelivery {
 public:
  explicit DatabricksDelivery(const TrackContext& context)
      : context_(context), calls_(context, Surface::databricks_api), storage_(context, calls_) {}

  [[nodiscard]] bool ready(const TraceId& /*trace*/, Seq /*first*/) const override { return true; }
  void stop() override { calls_.sleeps().stop(); }

  asio::awaitable<TraceOutcome> deliver(GatheredTrace& gathered) override {
    Upload upload{gathered, {}, gathered.trace.root() != nullptr, false, {}, {}, 0, false};
    upload.has_root = upload.root_here || (gathered.mark && gathered.mark->has_root);
    if (!upload.root_here || gathered.is_less_than_uploaded()) {
      if (auto verdict = co_await look_there(upload); verdict.action != Action::done)
        co_return TraceOutcome::of(std::move(verdict));
    }
    for (int round = 1;; ++round) {
      Verdict verdict = co_await send(upload);
      // Gone between the calls: it starts again from nothing.
      if (verdict.action == Action::not_found && round < kMaxExperimentRounds) {
        upload.experiment.clear();
        upload.known.reset();
        continue;
      }
      if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
      break;
    }
    if (upload.contended) co_return TraceOutcome{TraceOutcome::Kind::later, {}, false, 0, false};
    ++context_.sender.health().delivered_traces;
    co_return TraceOutcome{
        TraceOutcome::Kind::delivered, {}, true, gathered.trace.spans.size(), upload.has_root};
  }

 private:
  struct Upload {
    GatheredTrace& gathered;
    std::vector<mlflow::StoredSpan> ours;  // kept apart once others' are merged: must be there in the end
    bool root_here = false;
    bool has_root = false;                   // we saw the root, now or before: the scalars are ours to tell
    std::optional<mlflow::KnownInfo> known;  // the trace as it is there
    std::string experiment;
    std::size_t missing = 0;  // of ours, in the file there
    bool contended = false;   // somebody else keeps writing the same file
  };

  asio::awaitable<Verdict> send(Upload& upload) {
    if (upload.experiment.empty()) {
      auto experiment = co_await experiment_for(upload.gathered.route);
      if (!experiment) co_return std::move(experiment.error());
      upload.experiment = std::move(experiment->id);
    }
    for (int round = 1;; ++round) {
      mlflow::SpansFile file = mlflow::spans_file(upload.gathered.trace.spans);
      if (upload.has_root || !upload.known) {
        Verdict verdict = co_await start_trace(upload, file);
        if (verdict.action != Action::done) co_return verdict;
        // Another daemon told about it without having seen the root: its spans are to stay.
        if (!upload.known && upload.root_here && is_partial(verdict)) {
          verdict = co_await look_there(upload);
          if (verdict.action != Action::done) co_return verdict;
          continue;
        }
      }
      Verdict verdict = co_await storage_.upload(upload.gathered.trace.id, std::move(file.body));
      if (verdict.action != Action::done || !upload.known) co_return verdict;
      // Somebody else may have written meanwhile: look whether ours are there.
      verdict = co_await merge_file(upload);
      if (verdict.action != Action::done || upload.missing == 0) co_return verdict;
      upload.contended = round >= kMaxMergeRounds;
      if (upload.contended) co_return verdict;
    }
  }

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

  // The experiment may be gone; then it is looked up anew, a few times.
  asio::awaitable<Verdict> start_trace(Upload& upload, const mlflow::SpansFile& file) {
    mlflow::TraceInfo info =
        mlflow::trace_info(upload.gathered.trace, mlflow::Flavor::databricks, context_.context);
    mlflow::add_size_stats(info, file.span_sizes, file.body.size());
    if (!upload.has_root) {
      info.metadata.emplace(kPartial, "true");
    } else if (upload.known && upload.known->metadata.contains(kPartial)) {
      info.metadata.emplace(kPartial, "false");
    }
    if (upload.known && !info.client_request_id) info.client_request_id = upload.known->client_request_id;
    const auto tags = upload.gathered.mark ? mlflow::WithTags::no : mlflow::WithTags::yes;
    for (int round = 1;; ++round) {
      Verdict verdict = co_await calls_.start_trace(mlflow::start_trace_body(info, upload.experiment, tags));
      switch (verdict.action) {
        case Action::exists:
          verdict.action = Action::done;
          co_return verdict;
        case Action::fallback:
          if (!co_await pause_unsupported(verdict)) co_return Verdict{};
          continue;
        case Action::not_found:
          break;
        default:
          co_return verdict;
      }
      if (round >= kMaxExperimentRounds) {
        verdict.action = Action::split;
        verdict.reason = fmt::format("experiment {} is gone: {}", upload.experiment, verdict.reason);
        co_return verdict;
      }
      context_.experiments->forget(upload.gathered.route);
      auto experiment = co_await experiment_for(upload.gathered.route);
      if (!experiment) co_return std::move(experiment.error());
      upload.experiment = std::move(experiment->id);
    }
  }

  asio::awaitable<bool> pause_unsupported(const Verdict& verdict) {
    // Only sending again can tell when that ends.
    co_return co_await context_.sender.pause_config(
        fmt::format("{} has no MLflow 3 trace API (POST /api/3.0/mlflow/traces): {}", context_.settings.url,
                    verdict.reason),
        []() -> asio::awaitable<bool> { co_return true; });
  }

  static bool is_partial(const Verdict& verdict) {
    const auto info = mlflow::parse_trace_info(verdict.response.body);
    const auto it = info ? info->metadata.find(kPartial) : decltype(info->metadata.end()){};
    return info && it != info->metadata.end() && it->second == "true";
  }

  // What is there of the trace, merged under ours. done: also when nothing is there.
  asio::awaitable<Verdict> look_there(Upload& upload) {
    Verdict verdict = co_await calls_.trace_info(upload.gathered.trace.id);
    if (verdict.action == Action::not_found) verdict.action = Action::done, verdict.response.body.clear();
    if (verdict.action != Action::done || verdict.response.body.empty()) co_return verdict;
    auto known = mlflow::parse_trace_info(verdict.response.body);
    if (!known) co_return unreadable("trace info", known.error());
    upload.known = *std::move(known);
    if (upload.ours.empty()) upload.ours = upload.gathered.trace.spans;
    upload.experiment = upload.known->experiment_id;  // a trace stays where it is
    co_return co_await merge_file(upload);
  }

  // The file there, with ours laid over it; upload.missing: how many of ours it lacks.
  asio::awaitable<Verdict> merge_file(Upload& upload) {
    Verdict verdict = co_await storage_.download(upload.gathered.trace.id);
    if (verdict.action != Action::done) co_return verdict;
    std::vector<mlflow::StoredSpan> there;
    if (!verdict.response.body.empty()) {
      auto spans = mlflow::parse_spans_file(verdict.response.body);
      if (!spans) co_return unreadable("span file", spans.error());
      there = *std::move(spans);
    }
    std::unordered_set<SpanId> ids;
    for (const mlflow::StoredSpan& span : there) ids.insert(span.span_id);
    upload.missing = static_cast<std::size_t>(std::ranges::count_if(
        upload.ours, [&ids](const mlflow::StoredSpan& span) { return !ids.contains(span.span_id); }));
    mlflow::merge_spans(there, upload.ours);
    upload.gathered.trace.spans = std::move(there);
    co_return verdict;
  }

  static Verdict unreadable(std::string_view what, const Error& error) {
    Verdict verdict;
    verdict.action = Action::split;
    verdict.reason =
        fmt::format("the {} that the workspace holds for this trace cannot be read, and is not replaced: {}",
                    what, error.sentence);
    return verdict;
  }

  const TrackContext context_;
  TraceCalls calls_;
  DatabricksStorage storage_;
};

}  // namespace

std::unique_ptr<Track> make_databricks_track(TrackContext context) {
  return make_trace_track(context, {context.settings.name, true},
                          std::make_unique<DatabricksDelivery>(context));
}

}  // namespace spanferry::uploader
