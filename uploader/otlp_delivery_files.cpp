// Batches for an MLflow server whose store takes no spans by OTLP: each of their traces goes as one file.
#include <unordered_map>
#include <unordered_set>

#include <spdlog/spdlog.h>

#include "model/otlp_scan.hpp"
#include "uploader/mlflow_files.hpp"
#include "uploader/otlp_delivery.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

void OtlpDelivery::note_takes_files(const Verdict& verdict) {
  if (context_.file_store->otlp_refused())
    spdlog::warn(
        "destination {}: {} takes no spans by OTLP ({}): each trace goes as a file among its artifacts",
        context_.settings.name, context_.settings.url, verdict.reason);
}

void OtlpDelivery::note_takes_otlp() {
  if (context_.file_store != nullptr && context_.file_store->otlp_taken())
    spdlog::info("destination {}: {} takes spans by OTLP now", context_.settings.name, context_.settings.url);
}

bool OtlpDelivery::goes_as_files() const {
  return context_.file_store != nullptr && context_.file_store->takes_files() &&
         !context_.file_store->otlp_is_due();
}

asio::awaitable<OtlpDelivery::Reach> OtlpDelivery::deliver_files(Target& target,
                                                                 std::span<const Item> items) {
  std::unordered_map<TraceId, Verdict> refused;
  std::unordered_set<TraceId> written;
  for (const Item& item : items) {
    for (const TraceSpans& trace : traces_of(item)) {
      if (!written.insert(trace.trace).second) continue;
      Verdict verdict = co_await put_file(trace.trace);
      if (verdict.action == Action::stopped) co_return Reach::stopped;
      if (verdict.action == Action::held) {
        context_.routes->refused(target.route, std::move(verdict.reason));
        co_return Reach::held;
      }
      if (verdict.action == Action::again) co_return Reach::files;
      if (verdict.action != Action::done) refused.emplace(trace.trace, std::move(verdict));
    }
  }
  if (refused.empty()) {
    settle_delivered(items, {});
    co_return Reach::settled;
  }
  for (const Item& item : items) settle_files(item, refused);
  co_return Reach::settled;
}

void OtlpDelivery::settle_files(const Item& item, const std::unordered_map<TraceId, Verdict>& refused) {
  for (const TraceSpans& trace : traces_of(item)) {
    const auto found = refused.find(trace.trace);
    const bool is_dead = found != refused.end();
    TraceOutcome outcome{SpanCounts::of(is_dead ? Outcome::dead : Outcome::delivered, trace.spans.size()),
                         {}};
    if (is_dead) {
      const auto is_of_it = [&trace](const TraceId& id, const SpanId&) { return id == trace.trace; };
      outcome.dead.push_back(letter(item, trace.trace, SpanId{},
                                    static_cast<std::uint32_t>(trace.spans.size()), found->second,
                                    filter_traces_request(*item.payload, is_of_it)));
      context_.sender.health().note_error(found->second.reason);
    }
    settle_trace(item, trace.trace, std::move(outcome));
  }
}

// Action::again: the server takes spans by OTLP after all.
asio::awaitable<Verdict> OtlpDelivery::put_file(const TraceId& trace) {
  for (;;) {
    Verdict verdict = co_await files_->put(trace);
    if (verdict.action != Action::fallback) co_return verdict;
    if (!co_await pause_unsupported()) co_return Verdict{};
    if (context_.file_store->takes_files()) continue;
    verdict.action = Action::again;
    co_return verdict;
  }
}

}  // namespace spanferry::uploader
