#include "uploader/databricks_written.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "model/mlflow_start_trace.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// Another daemon has told about the trace, as one of several that have its spans.
bool is_shared(const Verdict& told) {
  const auto known = mlflow::parse_trace_info(told.response.body);
  return known && std::ranges::any_of(known->metadata, [](const auto& entry) {
           return entry.first.starts_with("spanferry.part");
         });
}

bool has_new_spans(const GatheredTrace& trace) {
  return std::ranges::any_of(trace.parts, [&](const TracePart& part) {
    return part.holds_spans() && !part.settled && part.unreadable.empty() &&
           (!trace.done(part) || trace.trace.spans.size() > trace.mark->spans);
  });
}

}  // namespace

WrittenStorageDelivery::WrittenStorageDelivery(const TrackContext& context)
    : context_(context), calls_(context, Surface::databricks_api), storage_(context, calls_) {}

asio::awaitable<std::expected<TraceOutcome, Verdict>> WrittenStorageDelivery::deliver(
    GatheredTrace& trace, const std::string& experiment) {
  TraceOutcome outcome{TraceOutcome::Kind::delivered, {}, true, 0, false};
  if (trace.mark) {
    outcome.spans = trace.mark->spans;
    outcome.has_root = trace.mark->has_root;
  }
  bool over_what_is_there = trace.is_less_than_uploaded();
  const bool was_told = trace.mark && trace.mark->info_sent;
  if (trace.writes.info && (trace.writes.info_is_new || !was_told)) {
    Verdict verdict = co_await tell(trace, experiment, !was_told);
    if (verdict.action == Action::not_found) co_return std::unexpected(std::move(verdict));
    if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
    over_what_is_there |= is_shared(verdict);
    outcome.tags_told = !was_told;
    ++context_.sender.health().delivered_traces;
  }
  outcome.info_sent = true;
  if (!has_new_spans(trace)) co_return outcome;
  const bool root_here = trace.trace.root() != nullptr;
  Verdict verdict = co_await upload(trace, over_what_is_there);
  if (verdict.action == Action::not_found) co_return std::unexpected(std::move(verdict));
  if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
  outcome.spans = trace.trace.spans.size();
  outcome.has_root |= root_here;
  co_return outcome;
}

asio::awaitable<Verdict> WrittenStorageDelivery::tell(const GatheredTrace& trace,
                                                      const std::string& experiment, bool with_tags) {
  for (;;) {
    Verdict verdict = co_await calls_.start_trace(
        mlflow::start_trace_body(*trace.writes.info, experiment, mlflow::WithTags(with_tags)));
    if (verdict.action == Action::exists) verdict.action = Action::done;
    if (verdict.action != Action::fallback) co_return verdict;
    // Only sending again can tell when that ends.
    if (!co_await context_.sender.pause_config(
            fmt::format("{} has no MLflow 3 trace API (POST /api/3.0/mlflow/traces): {}",
                        context_.settings.url, verdict.reason),
            []() -> asio::awaitable<bool> { co_return true; }))
      co_return Verdict{};
  }
}

asio::awaitable<Verdict> WrittenStorageDelivery::upload(GatheredTrace& trace, bool over_what_is_there) {
  if (!over_what_is_there) {
    const auto& file = trace.writes.only_file;
    co_return co_await storage_.upload(trace.trace.id,
                                       file ? *file : mlflow::spans_file(trace.trace.spans).body);
  }
  Verdict verdict = co_await storage_.download(trace.trace.id);
  if (verdict.action != Action::done) co_return verdict;
  std::vector<mlflow::StoredSpan> there;
  if (!verdict.response.body.empty()) {
    auto spans = mlflow::parse_spans_file(verdict.response.body);
    if (!spans) {
      verdict.action = Action::split;
      verdict.reason = fmt::format(
          "the span file that the workspace holds for this trace cannot be read, and is not replaced: {}",
          spans.error().sentence);
      co_return verdict;
    }
    there = *std::move(spans);
  }
  mlflow::merge_spans(there, std::move(trace.trace.spans));
  trace.trace.spans = std::move(there);
  co_return co_await storage_.upload(trace.trace.id, mlflow::spans_file(trace.trace.spans).body);
}

}  // namespace spanferry::uploader
