#include "console/status_json.hpp"

#include "console/console.hpp"
#include "spool/spool.hpp"

namespace spanferry::console {
namespace {

void write_spool(JsonWriter& json, const SpoolStatus& spool) {
  json.begin_object()
      .field("directory", spool.directory)
      .field("filesystem", spool.filesystem)
      .field("records", spool.records)
      .field("spans", spool.spans)
      .field("bytes", spool.bytes)
      .field("max_bytes", spool.max_bytes)
      .field("oldest_age_s", spool.oldest_age_s)
      .field("first_seq", spool.first_seq)
      .field("last_seq", spool.last_seq)
      .field("quarantined_records", spool.quarantined_records)
      .field("lost_records", spool.lost_records)
      .field("lost_spans", spool.lost_spans)
      .field("recovered_spans", spool.recovered_spans)
      .field("appended_records", spool.appended_records)
      .field("appended_spans", spool.appended_spans)
      .field("dead_letters", spool.dead_letters)
      .field("dead_letter_bytes", spool.dead_letter_bytes)
      .field("commit_groups", spool.commit_groups)
      .field("syncs", spool.syncs)
      .field("accepting", spool.accepting)
      .field("not_accepting_reason", spool.not_accepting_reason)
      .end_object();
}

void write_counts(JsonWriter& json, const std::map<std::string, std::uint64_t>& counts) {
  json.begin_object();
  for (const auto& [name, n] : counts) json.field(name, n);
  json.end_object();
}

void write_ingest(JsonWriter& json, const IngestStatus& ingest) {
  json.key("accepted")
      .begin_object()
      .field("spans", ingest.accepted_spans)
      .field("requests", ingest.accepted_requests)
      .key("by_source");
  write_counts(json, ingest.accepted_by_source);
  json.end_object().key("rejected");
  write_counts(json, ingest.rejected);
  json.key("ingest")
      .begin_object()
      .field("connections", ingest.connections)
      .field("inflight_bytes", ingest.inflight_bytes)
      .field("udp_receive_buffer_bytes", ingest.udp_receive_buffer_bytes)
      .field("draining", ingest.draining)
      .end_object();
}

}  // namespace

void write_accounting(JsonWriter& json, const Accounting& accounting) {
  json.begin_object().field("accepted", accounting.accepted).field("recovered", accounting.recovered);
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    const auto outcome = static_cast<Outcome>(i);
    json.field(name(outcome), accounting.settled[outcome]);
  }
  json.field("pending", accounting.pending).end_object();
}

void write_destination(JsonWriter& json, const DestinationStatus& destination) {
  json.begin_object()
      .field("name", destination.name)
      .field("kind", destination.kind)
      .field("state", name(destination.state))
      .field("since_unix_nano", std::to_string(destination.since_ns))
      .field("reason", destination.reason)
      .field("delivered_spans", destination.delivered_spans)
      .field("delivered_traces", destination.delivered_traces)
      .field("lag_records", destination.lag_records)
      .field("lag_s", destination.lag_s)
      .field("requests", destination.requests)
      .field("retries", destination.retries)
      .field("concurrency", destination.concurrency)
      .field("rate_refusals", destination.rate_refusals)
      .field("truncated_spans", destination.truncated_spans)
      .field("too_large_spans", destination.too_large_spans)
      .field("dead_letters", destination.dead_letters)
      .field("parked_records", destination.parked_records)
      .field("last_error", destination.last_error)
      .key("rates")
      .begin_object();
  for (const LearnedRateStatus& rate : destination.rates) json.field(rate.calls, rate.per_second);
  json.end_object().key("held_routes").begin_array();
  for (const HeldRoute& held : destination.held_routes)
    json.begin_object()
        .field("route", held.route)
        .field("reason", held.reason)
        .field("since_unix_nano", std::to_string(held.since_ns))
        .end_object();
  json.end_array().key("accounting");
  write_accounting(json, destination.accounting);
  json.end_object();
}

std::string status_json(const Sources& sources) {
  const SpoolStatus spool = sources.spool->status();
  std::string body;
  JsonWriter json(body);
  json.begin_object()
      .field("version", sources.version)
      .field("instance", sources.instance)
      .field("uptime_s", sources.uptime_s ? sources.uptime_s() : 0.0)
      .key("spool");
  write_spool(json, spool);
  write_ingest(json, sources.ingest ? sources.ingest() : IngestStatus{});
  json.key("destinations").begin_array();
  if (sources.destinations) {
    for (const DestinationStatus& destination : sources.destinations()) write_destination(json, destination);
  }
  json.end_array().key("removed_destinations").begin_array();
  for (const RemovedDestination& removed : spool.removed)
    json.begin_object()
        .field("name", removed.name)
        .field("pending_spans", removed.pending_spans)
        .field("dead_letters", removed.dead_letters)
        .end_object();
  json.end_array().key("warnings").begin_array();
  for (const std::string& warning : spool.warnings) json.value(warning);
  json.end_array().end_object();
  return body;
}

Reply status(const Sources& sources) { return {200, "application/json", status_json(sources)}; }

}  // namespace spanferry::console
