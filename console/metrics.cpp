// Prometheus metrics: the same numbers as status, from the same snapshots. One table a source: name, help,
// value.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "console/console.hpp"
#include "spool/spool.hpp"

namespace spanferry::console {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<std::pair<std::string, std::string>>;

// A metric of what `Status` tells.
template <class Status>
struct Row {
  const char* name;
  const char* help;
  MetricType type;
  double (*value)(const Status&);
};

constexpr auto kCounter = MetricType::Counter;
constexpr auto kGauge = MetricType::Gauge;

double number(std::uint64_t n) { return static_cast<double>(n); }

constexpr std::array kSpoolRows{
    Row<SpoolStatus>{"spanferry_spool_records",
                     "Records in the log, delivered ones that are retained included", kGauge,
                     [](const SpoolStatus& s) { return number(s.records); }},
    Row<SpoolStatus>{"spanferry_spool_spans", "Spans in the log", kGauge,
                     [](const SpoolStatus& s) { return number(s.spans); }},
    Row<SpoolStatus>{"spanferry_spool_bytes", "Bytes of the spool on disk", kGauge,
                     [](const SpoolStatus& s) { return number(s.bytes); }},
    Row<SpoolStatus>{"spanferry_spool_max_bytes", "Bytes the spool may take (spool.max_bytes)", kGauge,
                     [](const SpoolStatus& s) { return number(s.max_bytes); }},
    Row<SpoolStatus>{"spanferry_spool_oldest_age_seconds", "Age of the oldest record in the log", kGauge,
                     [](const SpoolStatus& s) { return s.oldest_age_s; }},
    Row<SpoolStatus>{"spanferry_spool_accepting", "1 while appends are let in", kGauge,
                     [](const SpoolStatus& s) { return s.accepting ? 1.0 : 0.0; }},
    Row<SpoolStatus>{"spanferry_spool_appended_records_total", "Records ever appended to this spool",
                     kCounter, [](const SpoolStatus& s) { return number(s.appended_records); }},
    Row<SpoolStatus>{"spanferry_spool_appended_spans_total", "Spans ever appended to this spool", kCounter,
                     [](const SpoolStatus& s) { return number(s.appended_spans); }},
    Row<SpoolStatus>{"spanferry_spool_commit_groups_total", "Commit groups written since the start", kCounter,
                     [](const SpoolStatus& s) { return number(s.commit_groups); }},
    Row<SpoolStatus>{"spanferry_spool_syncs_total", "Syncs to disk since the start", kCounter,
                     [](const SpoolStatus& s) { return number(s.syncs); }},
    Row<SpoolStatus>{"spanferry_spool_quarantined_records",
                     "Records set aside because they fail their checks", kGauge,
                     [](const SpoolStatus& s) { return number(s.quarantined_records); }},
    Row<SpoolStatus>{"spanferry_spool_lost_records", "Records lost to damage", kGauge,
                     [](const SpoolStatus& s) { return number(s.lost_records); }},
    Row<SpoolStatus>{"spanferry_spool_lost_spans", "Spans lost to damage", kGauge,
                     [](const SpoolStatus& s) { return number(s.lost_spans); }},
    Row<SpoolStatus>{"spanferry_spool_recovered_spans", "Spans salvaged from a damaged store", kGauge,
                     [](const SpoolStatus& s) { return number(s.recovered_spans); }},
    Row<SpoolStatus>{"spanferry_spool_dead_letters", "Dead letters kept, of all destinations", kGauge,
                     [](const SpoolStatus& s) { return number(s.dead_letters); }},
    Row<SpoolStatus>{"spanferry_spool_dead_letter_bytes", "Bytes of the dead letters", kGauge,
                     [](const SpoolStatus& s) { return number(s.dead_letter_bytes); }},
};

constexpr std::array kIngestRows{
    Row<IngestStatus>{"spanferry_ingest_requests_total", "OTLP requests answered with 200", kCounter,
                      [](const IngestStatus& s) { return number(s.accepted_requests); }},
    Row<IngestStatus>{"spanferry_ingest_connections", "HTTP connections open now", kGauge,
                      [](const IngestStatus& s) { return number(s.connections); }},
    Row<IngestStatus>{"spanferry_ingest_inflight_bytes", "Bytes of request bodies in memory now", kGauge,
                      [](const IngestStatus& s) { return number(s.inflight_bytes); }},
    Row<IngestStatus>{"spanferry_ingest_udp_receive_buffer_bytes",
                      "Receive buffer of the UDP sockets, as the kernel gave it", kGauge,
                      [](const IngestStatus& s) { return number(s.udp_receive_buffer_bytes); }},
    Row<IngestStatus>{"spanferry_ingest_draining", "1 while the doors are about to close", kGauge,
                      [](const IngestStatus& s) { return s.draining ? 1.0 : 0.0; }},
};

constexpr std::array kDestinationRows{
    Row<DestinationStatus>{"spanferry_destination_delivered_spans_total", "Spans the far side has taken",
                           kCounter, [](const DestinationStatus& s) { return number(s.delivered_spans); }},
    Row<DestinationStatus>{"spanferry_destination_delivered_traces_total",
                           "Whole traces uploaded or announced", kCounter,
                           [](const DestinationStatus& s) { return number(s.delivered_traces); }},
    Row<DestinationStatus>{"spanferry_destination_lag_records", "Records not settled yet", kGauge,
                           [](const DestinationStatus& s) { return number(s.lag_records); }},
    Row<DestinationStatus>{"spanferry_destination_lag_seconds", "Age of the oldest record not settled yet",
                           kGauge, [](const DestinationStatus& s) { return s.lag_s; }},
    Row<DestinationStatus>{"spanferry_destination_requests_total", "Requests sent", kCounter,
                           [](const DestinationStatus& s) { return number(s.requests); }},
    Row<DestinationStatus>{"spanferry_destination_retries_total", "Requests sent again", kCounter,
                           [](const DestinationStatus& s) { return number(s.retries); }},
    Row<DestinationStatus>{"spanferry_destination_rate_refusals_total",
                           "Requests refused for the rate (429), sent again", kCounter,
                           [](const DestinationStatus& s) { return number(s.rate_refusals); }},
    Row<DestinationStatus>{"spanferry_destination_concurrency", "The most requests at one time, as it is now",
                           kGauge, [](const DestinationStatus& s) { return number(s.concurrency); }},
    Row<DestinationStatus>{"spanferry_destination_truncated_spans_total",
                           "Spans too large by themselves, delivered with attributes cut", kCounter,
                           [](const DestinationStatus& s) { return number(s.truncated_spans); }},
    Row<DestinationStatus>{"spanferry_destination_too_large_spans_total",
                           "Spans too large by themselves, set aside as dead letters", kCounter,
                           [](const DestinationStatus& s) { return number(s.too_large_spans); }},
    Row<DestinationStatus>{"spanferry_destination_dead_letters", "Dead letters of this destination", kGauge,
                           [](const DestinationStatus& s) { return number(s.dead_letters); }},
    Row<DestinationStatus>{"spanferry_destination_parked_records", "Records parked", kGauge,
                           [](const DestinationStatus& s) { return number(s.parked_records); }},
};

class Families {
 public:
  MetricFamily& family(const char* name, const char* help, MetricType type) {
    const auto known = std::ranges::find(families_, name, &MetricFamily::name);
    if (known != families_.end()) return *known;
    MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    return families_.emplace_back(std::move(family));
  }

  void add(const char* name, const char* help, MetricType type, const Labels& labels, double value) {
    MetricFamily& to = family(name, help, type);
    ClientMetric metric;
    for (const auto& [label, text] : labels) metric.label.push_back({label, text});
    if (type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    to.metric.push_back(std::move(metric));
  }

  template <class Status, std::size_t N>
  void add(const std::array<Row<Status>, N>& rows, const Labels& labels, const Status& status) {
    for (const auto& row : rows) add(row.name, row.help, row.type, labels, row.value(status));
  }

  [[nodiscard]] const std::vector<MetricFamily>& list() const { return families_; }
  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

void add_ingest(Families& families, const IngestStatus& ingest) {
  families.add(kIngestRows, {}, ingest);
  for (const auto& [source, spans] : ingest.accepted_by_source) {
    families.add("spanferry_ingest_accepted_spans_total",
                 "Spans acknowledged (HTTP) or kept (UDP), by source", kCounter, {{"source", source}},
                 number(spans));
  }
  for (const auto& [reason, n] : ingest.rejected) {
    families.add("spanferry_ingest_rejected_total",
                 "Requests, datagrams, connections or spans turned away, by reason (docs/api.md)", kCounter,
                 {{"reason", reason}}, number(n));
  }
}

void add_destination(Families& families, const DestinationStatus& destination) {
  const Labels labels{{"destination", destination.name}, {"kind", destination.kind}};
  families.add(kDestinationRows, labels, destination);
  for (const LearnedRateStatus& rate : destination.rates) {
    Labels with_calls = labels;
    with_calls.emplace_back("calls", rate.calls);
    families.add(
        "spanferry_destination_rate_limit",
        "Requests a second that the far side takes of a kind of calls, learnt from its refusals; absent "
        "before the first",
        kGauge, with_calls, rate.per_second);
  }
  for (int i = 0; i <= static_cast<int>(DestinationState::draining); ++i) {
    const auto state = static_cast<DestinationState>(i);
    Labels with_state = labels;
    with_state.emplace_back("state", name(state));
    families.add("spanferry_destination_state", "1 for the state the destination is in", kGauge, with_state,
                 state == destination.state ? 1.0 : 0.0);
  }
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    const auto outcome = static_cast<Outcome>(i);
    Labels with_outcome = labels;
    with_outcome.emplace_back("outcome", name(outcome));
    families.add("spanferry_destination_settled_spans_total",
                 "Spans that left the spool for this destination, by outcome", kCounter, with_outcome,
                 number(destination.accounting.settled[outcome]));
  }
  families.add("spanferry_destination_accepted_spans_total", "Spans accepted since this destination is there",
               kCounter, labels, number(destination.accounting.accepted));
  families.add("spanferry_destination_pending_spans", "Spans not settled yet", kGauge, labels,
               number(destination.accounting.pending));
}

Families collect(const Sources& sources, const SpoolStatus& spool) {
  Families families;
  families.add("spanferry_build_info", "1, with the version as a label", kGauge,
               {{"version", sources.version}}, 1.0);
  families.add("spanferry_uptime_seconds", "Since the start", kGauge, {},
               sources.uptime_s ? sources.uptime_s() : 0.0);
  families.add(kSpoolRows, {}, spool);
  for (const auto& removed : spool.removed)
    families.add("spanferry_removed_destination_pending_spans",
                 "What a destination that is no longer configured had pending", kGauge,
                 {{"destination", removed.name}}, number(removed.pending_spans));
  if (sources.ingest) add_ingest(families, sources.ingest());
  if (sources.destinations) {
    for (const auto& destination : sources.destinations()) add_destination(families, destination);
  }
  return families;
}

constexpr std::string_view kIntroduction = R"(# Metrics

<!-- Made from the code by `spanferry config --metrics-reference`; a test compares the two. -->

`GET /metrics` on the HTTP port answers in Prometheus' text format, with the numbers that `spanferry status` shows. Gauges
are as of now. Counters end in `_total` and begin with the process, except for appended spans and records (since the spool is
there) and the spans of a destination (since it is there), which are kept on disk.

What to watch:

| alert | expression |
|---|---|
| spans are refused | `rate(spanferry_ingest_rejected_total{reason="full"}[5m]) > 0` |
| a destination has been in trouble for 15 minutes | `max_over_time(spanferry_destination_state{state="ok"}[15m]) == 0` |
| spans wait for longer than an hour | `spanferry_destination_lag_seconds > 3600` |
| a destination refused spans for good | `spanferry_destination_dead_letters > 0` |
| the disk fills | `spanferry_spool_bytes / spanferry_spool_max_bytes > 0.8` |

| metric | type | labels | what it is |
|---|---|---|---|
)";

}  // namespace

std::string metrics_reference() {
  // One of everything, so that every family is there.
  Sources sources;
  sources.ingest = [] {
    IngestStatus ingest;
    ingest.accepted_by_source["http"] = ingest.rejected["malformed"] = 0;
    return ingest;
  };
  sources.destinations = [] {
    DestinationStatus destination;
    destination.rates.emplace_back();
    return std::vector{destination};
  };
  SpoolStatus spool;
  spool.removed.emplace_back();
  std::string out(kIntroduction);
  for (const MetricFamily& family : collect(sources, spool).list()) {
    std::string labels;
    for (const auto& label : family.metric.front().label)
      labels += (labels.empty() ? "`" : ", `") + label.name + "`";
    out += "| `" + family.name + "` | " + (family.type == kCounter ? "counter" : "gauge") + " | " + labels +
           " | " + family.help + " |\n";
  }
  return out;
}

Reply metrics(const Sources& sources) {
  return {200, "text/plain; version=0.0.4; charset=utf-8", collect(sources, sources.spool->status()).text()};
}

}  // namespace spanferry::console
