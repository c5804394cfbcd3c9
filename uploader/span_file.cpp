#include "uploader/span_file.hpp"

#include <ranges>
#include <unordered_set>

#include "model/mlflow_json.hpp"
#include "model/otlp_scan.hpp"

namespace spanferry::uploader {

Result<std::string> otlp_of_span_file(spool::Spool& spool, const Record& record, mlflow::TextValues texts) {
  auto spans = mlflow::parse_spans_file(*record.payload);
  if (!spans) return std::unexpected(spans.error());
  std::string request;
  std::unordered_set<SpanId> wanted;
  for (const mlflow::StoredSpan& span : *spans) wanted.insert(span.span_id);
  const TraceId trace = record.header.only_trace.value_or(TraceId{});
  const auto others = spool.records_of(trace);
  if (!others) return std::unexpected(others.error());
  // The last copy counts.
  for (const Seq seq : *others | std::views::reverse) {
    const auto other = spool.get(seq);
    if (!other && other.error().kind != ErrorKind::damaged) return std::unexpected(other.error());
    if (!other || !*other || (*other)->header.kind != RecordKind::spans) continue;
    request += filter_traces_request(*(*other)->payload, [&](const TraceId& of, const SpanId& id) {
      return of == trace && wanted.erase(id) > 0;
    });
  }
  std::erase_if(*spans, [&wanted](const mlflow::StoredSpan& span) { return !wanted.contains(span.span_id); });
  if (!spans->empty()) request += mlflow::otlp_request_of(*spans, texts);
  return request;
}

}  // namespace spanferry::uploader
