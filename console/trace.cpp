// One trace: its spans, and where it has been delivered.
#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "console/console.hpp"
#include "console/reply.hpp"
#include "console/trace_json.hpp"
#include "spool/each_summary.hpp"
#include "spool/spool.hpp"

namespace spanferry::console {
namespace {

inline constexpr std::size_t kMaxTraceBytes = 64U << 20;  // of the records read for one answer

// The records that are read, and the spans that are views into them.
struct Found {
  std::vector<std::shared_ptr<const std::string>> payloads;
  std::vector<DecodedRequest> requests;
  struct Place {
    std::size_t request, span;
  };
  std::vector<Place> spans;  // each id once, the last one received, by start
  bool truncated = false;

  [[nodiscard]] const Span& span(const Place& p) const { return requests[p.request].spans[p.span]; }
  [[nodiscard]] const Resource& resource(const Place& p) const {
    return requests[p.request].resources[span(p).resource];
  }
};

Result<Found> find_spans(spool::Spool& spool, const TraceId& id, const std::vector<Seq>& seqs) {
  Found found;
  std::size_t bytes = 0;
  for (const Seq seq : seqs) {
    auto record = spool.get(seq);
    if (!record) return std::unexpected(std::move(record.error()));
    if (!*record || (*record)->header.kind != RecordKind::spans) continue;
    bytes += (*record)->payload->size();
    if (bytes > kMaxTraceBytes && !found.payloads.empty()) {
      found.truncated = true;
      break;
    }
    auto request = decode_traces_request(*(*record)->payload, &id);
    if (!request) return std::unexpected(std::move(request.error()));
    found.payloads.push_back((*record)->payload);
    found.requests.push_back(std::move(*request));
  }
  std::unordered_map<SpanId, std::size_t> place_of;
  for (std::size_t r = 0; r < found.requests.size(); ++r) {
    for (std::size_t s = 0; s < found.requests[r].spans.size(); ++s) {
      const auto [at, is_new] = place_of.try_emplace(found.requests[r].spans[s].span_id, found.spans.size());
      if (is_new) {
        found.spans.push_back({r, s});
      } else {
        found.spans[at->second] = {r, s};
      }
    }
  }
  std::ranges::sort(found.spans, {}, [&](const Found::Place& p) {
    return std::tuple(found.span(p).start_ns, p.request, p.span);
  });
  return found;
}

}  // namespace

Reply trace(const Sources& sources, std::string_view id_text) {
  std::string_view hex = id_text;
  if (hex.starts_with("tr-")) hex.remove_prefix(3);
  const auto id = TraceId::from_hex(hex);
  if (!id)
    return error_reply(400, "INVALID_PARAMETER_VALUE",
                       "a trace id is 32 hex digits, with or without tr- before them");
  const auto seqs = sources.spool->records_of(*id);
  if (!seqs) return error_reply(seqs.error());
  const auto found = find_spans(*sources.spool, *id, *seqs);
  if (!found) return error_reply(found.error());
  std::optional<spool::TraceSummary> summary;
  if (found->spans.empty()) {
    auto looked_up = sources.spool->summary_of(*id);
    if (!looked_up) return error_reply(looked_up.error());
    if (!*looked_up || !spool::is_there(**looked_up)) {
      return error_reply(404, "RESOURCE_DOES_NOT_EXIST",
                         "no such trace here: it never came, or is no longer kept");
    }
    summary = std::move(*looked_up);
  }
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().field("trace_id", id->hex());
  if (summary) {
    json.key("summary");
    write_summary(json, *summary);
  } else {
    json.key("spans").begin_array();
    for (const auto& place : found->spans) write_span(json, found->span(place), found->resource(place));
    json.end_array();
    if (found->truncated) json.field("truncated", true);
  }
  json.key("delivery").begin_array();
  if (sources.delivery) {
    for (const auto& delivery : sources.delivery(*id, *seqs)) {
      json.begin_object()
          .field("destination", delivery.destination)
          .field("settled", delivery.settled)
          .end_object();
    }
  }
  json.end_array().end_object();
  return reply;
}

}  // namespace spanferry::console
