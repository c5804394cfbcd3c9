#include "uploader/trace_gather.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace spanferry::uploader {
namespace {

// Records of many traces are decoded once for all of them and kept: this many bytes of payload, or one record
// should it be larger; beyond this many spans each trace is decoded alone.
constexpr std::size_t kMaxKeptBytes = 16U << 20;
constexpr std::uint32_t kMaxKeptSpans = 65'536;

}  // namespace

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
  if (!*record) return nullptr;
  auto made = std::make_shared<Decoded>();
  made->record = **std::move(record);
  if (made->record.header.kind != RecordKind::spans) return made;
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
  auto made = std::make_shared<Decoded>();
  made->record = {source.seq, part.header, part.payload};
  if (part.header.kind != RecordKind::spans) return made;
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
  TraceGathering gathering(trace, mark);
  for (Source& source : *sources) {
    const Seq seq = source.seq;
    const bool parked = source.parked.has_value();
    const auto record = decoded(source, trace);
    if (!record) return std::unexpected(record.error());
    if (!*record) continue;
    const RecordHeader& header = (*record)->record.header;
    TracePart part{seq, header, 0, !parked && cursor_.settled(seq, trace), std::move(source.parked)};
    if (header.kind != RecordKind::spans) {
      part.spans = header.span_count;
      gathering.add(std::move(part), (*record)->record.payload);
      continue;
    }
    const auto found = (*record)->spans_of.find(trace);
    if (found == (*record)->spans_of.end()) continue;
    part.spans = static_cast<std::uint32_t>(found->second.size());
    gathering.add(std::move(part), (*record)->request, found->second);
  }
  return gathering.finish(parts);
}

}  // namespace spanferry::uploader
