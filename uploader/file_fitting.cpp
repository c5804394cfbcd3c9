#include "uploader/file_fitting.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "model/cut.hpp"
#include "model/mlflow_json.hpp"
#include "model/otlp_scan.hpp"
#include "uploader/part_payload.hpp"

namespace spanferry::uploader {
namespace {

// The copies of a span among what is not settled yet, as one OTLP request.
Result<> find_copies(spool::Spool& spool, const GatheredTrace& gathered, RefusedSpans& refused) {
  for (const TracePart& part : gathered.parts) {
    if (part.settled || !part.holds_spans()) continue;
    const auto payload = part_payload(spool, gathered.trace.id, part);
    if (!payload) return std::unexpected(payload.error());
    if (*payload == nullptr) continue;
    refused.payload += filter_traces_request(**payload, [&](const TraceId& trace, const SpanId& span) {
      const bool is_it = trace == gathered.trace.id && span == refused.span;
      refused.spans += is_it ? 1 : 0;
      return is_it;
    });
  }
  return {};
}

}  // namespace

Result<bool> FileFitting::shrink(GatheredTrace& gathered, std::vector<mlflow::StoredSpan>& ours,
                                 std::size_t bytes, const Verdict& refusal) {
  if (context_.settings.when_too_large == WhenTooLarge::truncate && truncate(gathered, ours, bytes / 2))
    return true;
  std::vector<mlflow::StoredSpan>& spans = gathered.trace.spans;
  // First the largest alone; if that was not it, as many as make half of the file.
  const std::vector<std::size_t> sizes = mlflow::spans_file(spans).span_sizes;
  std::vector<std::size_t> order(spans.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, [&sizes](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  const std::size_t enough = left_out_.empty() ? 1 : bytes / 2;
  std::size_t gone = 0;
  std::unordered_set<SpanId> go;
  for (std::size_t n = 0; n + 1 < order.size() && gone < enough; ++n) {
    const SpanId& span = spans[order[n]].span_id;
    gone += sizes[order[n]];
    go.insert(span);
    if (const auto left = leave_out(gathered, span, sizes[order[n]], refusal); !left)
      return std::unexpected(left.error());
  }
  if (go.empty()) return false;
  const auto goes = [&go](const mlflow::StoredSpan& span) { return go.contains(span.span_id); };
  std::erase_if(spans, goes);
  std::erase_if(ours, goes);
  left_out_.merge(go);
  return true;
}

bool FileFitting::truncate(GatheredTrace& gathered, std::vector<mlflow::StoredSpan>& ours,
                           std::size_t excess) {
  const std::vector<SpanId> cut = mlflow::cut_spans(gathered.trace.spans, excess);
  truncated_.insert(cut.begin(), cut.end());
  for (mlflow::StoredSpan& own : ours) {
    const auto shorter = std::ranges::find(gathered.trace.spans, own.span_id, &mlflow::StoredSpan::span_id);
    if (std::ranges::find(cut, own.span_id) != cut.end() && shorter != gathered.trace.spans.end())
      own = *shorter;
  }
  return !cut.empty();
}

Result<> FileFitting::leave_out(const GatheredTrace& gathered, const SpanId& span, std::size_t bytes,
                                const Verdict& refusal) {
  truncated_.erase(span);
  RefusedSpans refused{span, 0, refusal, {}};
  refused.verdict.reason =
      fmt::format("a span of {} bytes is too large for the far side: {}", bytes, refusal.reason);
  refused.verdict.response = {};
  if (const auto found = find_copies(context_.spool, gathered, refused); !found) return found;
  // Of what was settled before, a dead letter was made then.
  if (refused.spans > 0) refused_.push_back(std::move(refused));
  return {};
}

std::vector<RefusedSpans> FileFitting::delivered() {
  context_.sender.health().truncated_spans += truncated_.size();
  for (const RefusedSpans& refused : refused_) context_.sender.health().too_large_spans += refused.spans;
  return std::move(refused_);
}

}  // namespace spanferry::uploader
