#include "uploader/databricks_experiment_storage.hpp"

#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// After so many errors that may be about the file the storage has the last word.
constexpr int kMaxInternalErrors = 5;

Verdict of(Action action) {
  Verdict verdict;
  verdict.action = action;
  return verdict;
}

}  // namespace

ExperimentStorageDelivery::ExperimentStorageDelivery(const TrackContext& context, UnionTuning tuning)
    : context_(context),
      tuning_(tuning),
      end_at_start_(context.spool.end()),
      parts_(context.spool),
      calls_(context, Surface::databricks_api),
      storage_(context, calls_) {}

asio::awaitable<std::expected<TraceOutcome, Verdict>> ExperimentStorageDelivery::deliver(
    GatheredTrace& gathered, std::string experiment) {
  const TraceId id = gathered.trace.id;
  Upload upload{.gathered = gathered, .experiment = std::move(experiment), .fitting = FileFitting(context_)};
  upload.root_here = gathered.trace.root() != nullptr;
  upload.has_root = upload.root_here || (gathered.mark && gathered.mark->has_root);
  upload.told_before = gathered.mark && gathered.mark->told();
  const bool never_sent = !upload.told_before && gathered.parts.front().seq >= end_at_start_;
  Verdict verdict = of(Action::done);
  if (!upload.root_here || !never_sent) verdict = co_await look(upload);
  if (verdict.action == Action::done && !upload.known) {
    verdict = co_await tell(upload);
    // Another daemon was here before us, or we ourselves and nobody remembers.
    if (verdict.action == Action::exists) verdict = co_await look(upload);
  }
  if (verdict.action == Action::done)
    verdict = upload.first ? co_await put(upload, mlflow::spans_file(gathered.trace.spans).body)
                           : of(Action::again);
  if (verdict.action == Action::again) verdict = co_await join(upload);
  if (upload.later) {
    TraceOutcome later;
    later.kind = TraceOutcome::Kind::later;
    later.again_in = tuning_.again_in;
    co_return later;
  }
  waits_.erase(id);
  if (verdict.action == Action::not_found) co_return std::unexpected(std::move(verdict));
  if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
  ++context_.sender.health().delivered_traces;
  TraceOutcome delivered{
      TraceOutcome::Kind::delivered, {}, true, gathered.trace.spans.size(), upload.has_root};
  delivered.tags_told = upload.tags_told;
  delivered.refused_spans = upload.fitting.delivered();
  co_return delivered;
}

// The trace as it is there. done: also when it is not, `known` is empty then.
asio::awaitable<Verdict> ExperimentStorageDelivery::look(Upload& upload) {
  upload.known.reset();
  Verdict verdict = co_await calls_.trace_info(upload.gathered.trace.id);
  upload.seen = verdict.sent;
  if (verdict.action == Action::not_found) co_return of(Action::done);
  if (verdict.action != Action::done) co_return verdict;
  auto known = mlflow::parse_trace_info(verdict.response.body);
  if (!known) {
    verdict.action = Action::split;
    verdict.reason = fmt::format(
        "what the workspace tells about this trace cannot be read, and its file is not replaced: {}",
        known.error().sentence);
    co_return verdict;
  }
  upload.known = *std::move(known);
  // A trace stays where it is.
  if (!upload.known->experiment_id.empty()) upload.experiment = upload.known->experiment_id;
  co_return verdict;
}

// The first StartTrace of all, as far as we know. The answer shows what was there before it. Without the root
// tags go by a second one, once it is sure that they replace none of the root's: its daemon cannot have told
// in between without finding us there, and tells again when our file is there.
asio::awaitable<Verdict> ExperimentStorageDelivery::tell(Upload& upload) {
  const mlflow::Trace& trace = upload.gathered.trace;
  mlflow::TraceInfo info = mlflow::trace_info(trace, mlflow::Flavor::databricks, context_.context);
  if (!upload.root_here) {
    info.metadata.emplace(parts_.key(), kFirstPart);
    Verdict verdict = co_await tell(upload, info, mlflow::WithTags::no);
    upload.first = verdict.action == Action::done && is_alone(upload);
    if (upload.first) verdict = co_await tell(upload, info, mlflow::WithTags::yes);
    co_return verdict;
  }
  const mlflow::SpansFile file = mlflow::spans_file(trace.spans);
  mlflow::add_size_stats(info, file.span_sizes, file.body.size());
  upload.tags_due = true;
  Verdict verdict = co_await tell(upload, info, mlflow::WithTags::yes);
  upload.first = verdict.action == Action::done && is_alone(upload);
  co_return verdict;
}

asio::awaitable<Verdict> ExperimentStorageDelivery::tell(Upload& upload, const mlflow::TraceInfo& info,
                                                         mlflow::WithTags tags) {
  Verdict verdict = co_await start_trace(info, upload.experiment, tags);
  upload.seen = verdict.sent;
  if (verdict.action != Action::done) co_return verdict;
  upload.tags_told |= tags == mlflow::WithTags::yes;
  auto known = mlflow::parse_trace_info(verdict.response.body);
  if (!known) co_return co_await look(upload);
  upload.known = *std::move(known);
  co_return verdict;
}

// Nobody else has told about the trace.
bool ExperimentStorageDelivery::is_alone(const Upload& upload) const {
  return upload.known && !parts_.any_other(*upload.known) &&
         (upload.root_here || !is_told_by_root(*upload.known));
}

asio::awaitable<Verdict> ExperimentStorageDelivery::start_trace(const mlflow::TraceInfo& info,
                                                                const std::string& experiment,
                                                                mlflow::WithTags tags) {
  for (;;) {
    Verdict verdict = co_await calls_.start_trace(mlflow::start_trace_body(info, experiment, tags));
    if (verdict.action != Action::fallback) co_return verdict;
    if (!co_await pause_unsupported(verdict)) co_return Verdict{};
  }
}

asio::awaitable<bool> ExperimentStorageDelivery::pause_unsupported(const Verdict& verdict) {
  // Only sending again can tell when that ends.
  co_return co_await context_.sender.pause_config(
      fmt::format("{} has no MLflow 3 trace API (POST /api/3.0/mlflow/traces): {}", context_.settings.url,
                  verdict.reason),
      []() -> asio::awaitable<bool> { co_return true; });
}

// Writes the file, as long as what was seen holds; with less in it while it is too large. Action::again: look
// first, whatever became of it.
asio::awaitable<Verdict> ExperimentStorageDelivery::put(Upload& upload, std::string body) {
  for (;;) {
    const std::size_t bytes = body.size();
    Verdict verdict = co_await put_once(upload, std::move(body));
    if (verdict.action != Action::halve) co_return verdict;
    const auto shrunk = upload.fitting.shrink(upload.gathered, upload.ours, bytes, verdict);
    if (!shrunk) {
      spdlog::error("destination {}: trace {}: {}", context_.settings.name, upload.gathered.trace.id.hex(),
                    shrunk.error().sentence);
      upload.later = true;
      co_return of(Action::stopped);
    }
    if (!*shrunk) {
      verdict.action = Action::split;
      co_return verdict;
    }
    body = mlflow::spans_file(upload.gathered.trace.spans).body;
  }
}

asio::awaitable<Verdict> ExperimentStorageDelivery::put_once(Upload& upload, std::string body) {
  const TraceId id = upload.gathered.trace.id;
  if (upload.internal_errors >= kMaxInternalErrors) co_return co_await storage_.upload(id, std::move(body));
  Verdict verdict = co_await storage_.upload(id, std::move(body), upload.seen + tuning_.fresh);
  if (verdict.action == Action::again && verdict.status != 0) ++upload.internal_errors;
  co_return verdict;
}

}  // namespace spanferry::uploader
