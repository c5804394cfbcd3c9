#include "bench/load/book.hpp"

#include <algorithm>

#include <protozero/pbf_reader.hpp>

namespace spanferry::bench {
namespace {

constexpr std::uint64_t kMostEntries = 1ULL << 31;  // of one run: 2 GiB

using protozero::pbf_reader;

std::string_view view_of(pbf_reader& reader) {
  const auto view = reader.get_view();
  return {view.data(), view.size()};
}

}  // namespace

bool Book::receive(std::string_view request) {
  try {
    pbf_reader r(request.data(), request.size());
    while (r.next()) {
      if (r.tag() != 1) {
        r.skip();
        continue;
      }
      pbf_reader resource_spans = r.get_message();
      while (resource_spans.next(2)) {
        pbf_reader scope_spans = resource_spans.get_message();
        while (scope_spans.next(2)) receive_span(view_of(scope_spans));
      }
    }
  } catch (const protozero::exception&) {
    return false;
  }
  return true;
}

void Book::receive_span(std::string_view span) {
  TraceId trace_id;
  SpanId span_id;
  pbf_reader s(span.data(), span.size());
  while (s.next()) {
    if (s.tag() == 1) {
      trace_id = TraceId::from_raw(view_of(s)).value_or(TraceId{});
    } else if (s.tag() == 2) {
      span_id = SpanId::from_raw(view_of(s)).value_or(SpanId{});
    } else {
      s.skip();
    }
  }
  receive(trace_id, span_id);
}

void Book::receive(const TraceId& trace_id, const SpanId& span_id) {
  ++spans_;
  const auto trace = numbered(trace_id);
  const Numbered place = numbered(span_id);
  if (!trace || place.seed != trace->seed || place.request != trace->request || place.low > trace->low) {
    ++foreign_;
    return;
  }
  Run& run = runs_[trace->seed];
  if (run.spans_per_request == 0) run.spans_per_request = trace->low + 1U;
  const std::uint64_t at = trace->request * run.spans_per_request + place.low;
  if (run.spans_per_request != trace->low + 1U || at >= kMostEntries) {
    ++foreign_;
    return;
  }
  if (at >= run.times.size()) {
    run.times.resize(std::max<std::uint64_t>(at + 1, run.times.size() + run.times.size() / 2));
  }
  repeated_ += run.times[at] > 0;
  if (run.times[at] < 255) ++run.times[at];
}

Comparison Book::compare(const Ledger& ledger) const {
  constexpr std::size_t kExamples = 10;
  Comparison result;
  const auto found = runs_.find(ledger.seed());
  static const Run kNothing;
  const Run& run = found == runs_.end() ? kNothing : found->second;
  const std::uint64_t width = ledger.spans_per_request();
  const std::uint64_t seen = run.spans_per_request == width ? run.times.size() : 0;
  const std::uint64_t end = std::max(ledger.end(), (seen + width - 1) / width);
  result.acknowledged = ledger.count() * width;
  for (std::uint64_t request = 0; request < end; ++request) {
    bool whole = true;
    for (std::uint64_t i = 0; i < width; ++i) {
      const std::uint64_t at = request * width + i;
      const std::uint64_t times = at < seen ? run.times[at] : 0;
      result.most_often = std::max(result.most_often, times);
      if (times > 1) result.duplicates += times - 1;
      if (times > 0 && !ledger.holds(request)) ++result.extra;
      if (times == 0 && ledger.holds(request)) {
        ++result.missing;
        whole = false;
      }
    }
    if (!whole && result.missing_requests.size() < kExamples) result.missing_requests.push_back(request);
  }
  return result;
}

}  // namespace spanferry::bench
