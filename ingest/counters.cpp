#include "ingest/counters.hpp"

namespace spanferry::ingest {

std::string_view name(Rejection rejection) {
  static constexpr std::array<std::string_view, kRejections> kNames{
      "malformed",          "unauthorized",   "forbidden",
      "not_found",          "method",         "timeout",
      "length_required",    "too_large",      "unsupported_media",
      "header_too_large",   "full",           "route_held",
      "overloaded",         "internal",       "loop",
      "refused_spans",      "http2_preface",  "connections",
      "disconnected",       "udp_malformed",  "udp_refused_spans",
      "udp_kernel_dropped", "udp_queue_full", "udp_spool_full",
      "udp_route_held"};
  return kNames.at(static_cast<std::size_t>(rejection));
}

IngestStatus Counters::snapshot() const {
  IngestStatus status;
  const std::uint64_t http = http_spans.load(std::memory_order_relaxed);
  const std::uint64_t udp = udp_spans.load(std::memory_order_relaxed);
  status.accepted_spans = http + udp;
  status.accepted_requests = requests.load(std::memory_order_relaxed);
  status.accepted_by_source = {{"http", http}, {"udp", udp}};
  for (std::size_t i = 0; i < kRejections; ++i) {
    const auto reason = static_cast<Rejection>(i);
    status.rejected.emplace(name(reason), rejected(reason));
  }
  status.connections = connections.load(std::memory_order_relaxed);
  status.inflight_bytes = inflight_bytes.load(std::memory_order_relaxed);
  status.udp_receive_buffer_bytes = udp_receive_buffer_bytes.load(std::memory_order_relaxed);
  status.draining = draining.load(std::memory_order_relaxed);
  return status;
}

}  // namespace spanferry::ingest
