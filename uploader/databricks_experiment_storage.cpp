#include "uploader/databricks_experiment_storage.hpp"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// Set while no daemon that saw the root has told about the trace: who comes next must merge.
constexpr const char* kPartial = "spanferry.partial";
constexpr int kMaxMergeRounds = 5;

bool is_partial(const Verdict& verdict) {
  const auto info = mlflow::parse_trace_info(verdict.response.body);
  const auto it = info ? info->metadata.find(kPartial) : decltype(info->metadata.end()){};
  return info && it != info->metadata.end() && it->second == "true";
}

Verdict unreadable(std::string_view what, const Error& error) {
  Verdict verdict;
  verdict.action = Action::split;
  verdict.reason =
      fmt::format("the {} that the workspace holds for this trace cannot be read, and is not replaced: {}",
                  what, error.sentence);
  return verdict;
}

}  // namespace

struct ExperimentStorageDelivery::Upload {
  GatheredTrace& gathered;
  std::string experiment;
  bool root_here = false;
  bool has_root = false;                     // we saw the root, now or before: the scalars are ours to tell
  std::vector<mlflow::StoredSpan> ours{};    // kept apart once others' are merged: must be there in the end
  std::optional<mlflow::KnownInfo> known{};  // the trace as it is there
  std::size_t missing = 0;                   // of ours, in the file there
  bool contended = false;                    // somebody else keeps writing the same file
};

ExperimentStorageDelivery::ExperimentStorageDelivery(const TrackContext& context)
    : context_(context), calls_(context, Surface::databricks_api), storage_(context, calls_) {}

asio::awaitable<std::expected<TraceOutcome, Verdict>> ExperimentStorageDelivery::deliver(
    GatheredTrace& gathered, std::string experiment) {
  const bool root_here = gathered.trace.root() != nullptr;
  Upload upload{gathered, std::move(experiment), root_here,
                root_here || (gathered.mark && gathered.mark->has_root)};
  Verdict verdict;
  verdict.action = Action::done;
  if (!upload.root_here || gathered.is_less_than_uploaded()) verdict = co_await look_there(upload);
  if (verdict.action == Action::done) verdict = co_await send(upload);
  if (verdict.action == Action::not_found) co_return std::unexpected(std::move(verdict));
  if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
  if (upload.contended) co_return TraceOutcome{TraceOutcome::Kind::later, {}, false, 0, false};
  ++context_.sender.health().delivered_traces;
  co_return TraceOutcome{
      TraceOutcome::Kind::delivered, {}, true, gathered.trace.spans.size(), upload.has_root};
}

asio::awaitable<Verdict> ExperimentStorageDelivery::send(Upload& upload) {
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

asio::awaitable<Verdict> ExperimentStorageDelivery::start_trace(Upload& upload,
                                                                const mlflow::SpansFile& file) {
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
  for (;;) {
    Verdict verdict = co_await calls_.start_trace(mlflow::start_trace_body(info, upload.experiment, tags));
    if (verdict.action == Action::exists) verdict.action = Action::done;
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

// What is there of the trace, merged under ours. done: also when nothing is there.
asio::awaitable<Verdict> ExperimentStorageDelivery::look_there(Upload& upload) {
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
asio::awaitable<Verdict> ExperimentStorageDelivery::merge_file(Upload& upload) {
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

}  // namespace spanferry::uploader
