#include "uploader/trace_gather.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>

#include <fmt/format.h>

#include "model/otlp_scan.hpp"

namespace spanferry::uploader {
namespace {

// Records of many traces are decoded once for all of them and kept: this many bytes of payload, or one record
// should it be larger; beyond this many spans each trace is decoded alone.
constexpr std::size_t kMaxKeptBytes = 16U << 20;
constexpr std::uint32_t kMaxKeptSpans = 65'536;

using Merged = std::map<std::string, std::string>;

void add_attributes(Merged& merged, const Resource& resource, bool replace) {
  for (const Attribute& a : resource.attributes) {
    if (replace) {
      merged.insert_or_assign(std::string(a.key), mlflow::stored_json(a.value));
    } else if (!merged.contains(std::string(a.key))) {
      merged.emplace(a.key, mlflow::stored_json(a.value));
    }
  }
}

mlflow::JsonAttributes as_list(Merged merged) {
  mlflow::JsonAttributes list;
  list.reserve(merged.size());
  for (auto& [key, json] : merged) list.push_back({key, std::move(json)});
  return list;
}

}  // namespace

bool GatheredTrace::settled() const {
  return std::ranges::all_of(parts, [](const TracePart& part) { return part.settled; });
}

bool GatheredTrace::uploaded() const {
  // What is parked was never sent, however old it is.
  const bool any_parked =
      std::ranges::any_of(parts, [](const TracePart& part) { return part.parked.has_value(); });
  return mark && !any_parked && parts.back().seq <= mark->last && trace.spans.size() <= mark->spans;
}

void TraceGatherer::keep(std::shared_ptr<const Decoded> decoded) {
  const std::size_t bytes = decoded->record.payload->size();
  while (!kept_.empty() && kept_bytes_ + bytes > kMaxKeptBytes) {
    kept_bytes_ -= kept_.back()->record.payload->size();
    kept_.pop_back();
  }
  kept_bytes_ += bytes;
  kept_.push_front(std::move(decoded));
}

Result<std::shared_ptr<const TraceGatherer::Decoded>> TraceGatherer::decoded(Seq seq, const TraceId& trace) {
  const auto known = std::ranges::find_if(kept_, [seq](const auto& d) { return d->record.seq == seq; });
  if (known != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, known);
    return kept_.front();
  }
  auto record = spool_.get(seq);
  // What is damaged is the log's to count as lost; the rest of the trace goes.
  if (!record && record.error().kind == ErrorKind::damaged) return nullptr;
  if (!record) return std::unexpected(record.error());
  if (!*record || (*record)->header.kind != RecordKind::spans) return nullptr;
  auto made = std::make_shared<Decoded>();
  made->record = **std::move(record);
  const bool shared = made->record.header.trace_count != 1 && made->record.header.span_count <= kMaxKeptSpans;
  auto request = decode_traces_request(*made->record.payload, shared ? nullptr : &trace);
  if (!request) return std::unexpected(request.error().in(fmt::format("record {}", seq)));
  made->request = *std::move(request);
  for (std::uint32_t i = 0; i < made->request.spans.size(); ++i)
    made->spans_of[made->request.spans[i].trace_id].push_back(i);
  if (shared) keep(made);
  return made;
}

Result<std::shared_ptr<const TraceGatherer::Decoded>> TraceGatherer::decoded(const Source& source,
                                                                             const TraceId& trace) {
  if (!source.parked) return decoded(source.seq, trace);
  const spool::Parked& part = *source.parked;
  if (part.header.kind != RecordKind::spans) return nullptr;
  auto made = std::make_shared<Decoded>();
  made->record = {source.seq, part.header, part.payload};
  auto request = decode_traces_request(*part.payload, &trace);
  if (!request) return std::unexpected(request.error().in(fmt::format("parked record {}", source.seq)));
  made->request = *std::move(request);
  for (std::uint32_t i = 0; i < made->request.spans.size(); ++i) made->spans_of[trace].push_back(i);
  return made;
}

// In the order they came in. What is parked may still be in the log, where it counts as settled.
Result<std::vector<TraceGatherer::Source>> TraceGatherer::sources_of(const TraceId& trace) {
  const auto seqs = spool_.records_of(trace);
  if (!seqs) return std::unexpected(seqs.error());
  auto parked = cursor_.parked_of(trace);
  if (!parked) return std::unexpected(parked.error());
  std::vector<Source> sources;
  for (spool::Parked& part : *parked) sources.push_back({part.key.seq, std::move(part)});
  const auto is_parked_whole = [&](Seq seq) {
    return std::ranges::any_of(
        *parked, [seq](const spool::Parked& part) { return part.key.seq == seq && part.key.span.is_zero(); });
  };
  for (const Seq seq : *seqs)
    if (!is_parked_whole(seq)) sources.push_back({seq, std::nullopt});
  std::ranges::sort(sources, {}, &Source::seq);
  return sources;
}

Result<std::optional<GatheredTrace>> TraceGatherer::gather(const TraceId& trace,
                                                           std::optional<TraceMark> mark,
                                                           std::vector<TracePart>* parts) {
  auto sources = sources_of(trace);
  if (!sources) return std::unexpected(sources.error());
  GatheredTrace gathered;
  gathered.trace.id = trace;
  gathered.mark = mark;
  Merged resource;
  const Resource* root_resource = nullptr;
  std::shared_ptr<const Decoded> root_record;  // keeps root_resource
  std::unordered_set<SpanId> up_to_mark;
  bool too_large = false;
  for (Source& source : *sources) {
    const Seq seq = source.seq;
    const bool parked = source.parked.has_value();
    const auto record = decoded(source, trace);
    if (!record) return std::unexpected(record.error());
    if (!*record) continue;
    const auto found = (*record)->spans_of.find(trace);
    if (found == (*record)->spans_of.end()) continue;
    const RecordHeader& header = (*record)->record.header;
    gathered.parts.push_back({seq, header, static_cast<std::uint32_t>(found->second.size()),
                              !parked && cursor_.settled(seq, trace), std::move(source.parked)});
    gathered.last_received_ns = std::max(gathered.last_received_ns, header.received_ns);
    if (too_large) continue;
    std::vector<mlflow::StoredSpan> spans;
    spans.reserve(found->second.size());
    const Resource* last_resource = nullptr;
    for (const std::uint32_t i : found->second) {
      const Span& span = (*record)->request.spans[i];
      spans.push_back(mlflow::stored_span(span));
      gathered.bytes += spans.back().size_bytes();
      if (mark && seq <= mark->last && !parked) up_to_mark.insert(span.span_id);
      gathered.top_ended |= span.end_ns != 0 && (!span.parent_id || span.parent_is_remote);
      const Resource& from = (*record)->request.resources[span.resource];
      if (&from != last_resource) add_attributes(resource, from, false);
      last_resource = &from;
      if (!span.parent_id && root_resource == nullptr) {
        root_resource = &from;
        root_record = *record;
        gathered.route = header.route;
      }
    }
    mlflow::merge_spans(gathered.trace.spans, std::move(spans));
    too_large = gathered.bytes > kMaxTraceBytes;
    if (too_large) gathered.trace.spans.clear();
  }
  if (gathered.parts.empty()) return std::nullopt;
  if (too_large) {
    *parts = std::move(gathered.parts);
    return fail(
        ErrorKind::too_large,
        fmt::format("the trace takes more than {} MiB; it cannot be sent as one file", kMaxTraceBytes >> 20));
  }
  if (root_resource != nullptr) {
    add_attributes(resource, *root_resource, true);
  } else {
    gathered.route = gathered.parts.front().header.route;
  }
  gathered.trace.resource = as_list(std::move(resource));
  gathered.spans_of_mark = up_to_mark.size();
  return gathered;
}

std::string TraceGatherer::request_of(const TraceId& trace, const std::vector<TracePart>& parts) {
  std::string request;
  for (const TracePart& part : parts) {
    if (part.settled) continue;
    if (part.parked) {
      request += *part.parked->payload;
      continue;
    }
    const auto record = spool_.get(part.seq);
    if (!record || !*record) continue;
    request += filter_traces_request(*(*record)->payload,
                                     [&trace](const TraceId& id, const SpanId&) { return id == trace; });
  }
  return request;
}

}  // namespace spanferry::uploader
