// What the modules tell about themselves: plain snapshots, read by status, metrics, health and the console.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/record.hpp"

namespace spanferry {

// How a span leaves the spool, for one destination. The sum of all, with what is pending, is what came in.
enum class Outcome : std::uint8_t { delivered, dead, deleted, dropped, lost, not_applicable, not_routed };
inline constexpr std::size_t kOutcomes = 7;
std::string_view name(Outcome outcome);

struct SpanCounts {
  std::array<std::uint64_t, kOutcomes> by_outcome{};

  std::uint64_t& operator[](Outcome o) { return by_outcome[static_cast<std::size_t>(o)]; }
  std::uint64_t operator[](Outcome o) const { return by_outcome[static_cast<std::size_t>(o)]; }
  [[nodiscard]] std::uint64_t total() const;
  SpanCounts& operator+=(const SpanCounts& other);
  static SpanCounts of(Outcome o, std::uint64_t n) {
    SpanCounts c;
    c[o] = n;
    return c;
  }
};

// For one destination, in spans: accepted + recovered = all outcomes + pending.
struct Accounting {
  std::uint64_t accepted = 0;   // since this destination is there
  std::uint64_t recovered = 0;  // salvaged from a damaged store
  SpanCounts settled;
  std::uint64_t pending = 0;
};

enum class DestinationState : std::uint8_t {
  ok,
  retrying,
  rate_limited,
  paused_auth,
  paused_config,
  down,
  draining
};
std::string_view name(DestinationState state);

// An experiment or table of which a destination takes nothing for now, while it takes the others.
struct HeldRoute {
  std::string route;
  std::string reason;
  std::int64_t since_ns = 0;  // unix
};

// Of one kind of calls: requests a second, as its refusals (429) have shown.
struct LearnedRateStatus {
  std::string calls;  // create | spans | other
  double per_second = 0;
};

struct DestinationStatus {
  std::string name;
  std::string kind;  // databricks | mlflow | otlp | local
  DestinationState state = DestinationState::ok;
  std::int64_t since_ns = 0;  // of the state, unix
  std::string reason;         // a sentence for a state that is not ok; no trailing period
  std::string last_error;     // the last one, also after it passed
  std::uint64_t delivered_spans = 0;
  std::uint64_t delivered_traces = 0;  // whole traces uploaded or StartTraces made, where the kind has any
  std::uint64_t lag_records = 0;
  double lag_s = 0;  // age of the oldest record not settled
  std::uint64_t retries = 0;
  std::uint64_t requests = 0;
  std::uint32_t concurrency = 0;         // the most requests at one time, as it is now
  std::vector<LearnedRateStatus> rates;  // those that are known
  std::uint64_t rate_refusals = 0;       // answers with 429
  std::uint64_t truncated_spans = 0;  // since the start: too large by themselves, delivered with a part cut
  std::uint64_t too_large_spans = 0;  // since the start: the same, set aside as dead letters
  std::uint64_t dead_letters = 0;
  std::uint64_t parked_records = 0;
  std::vector<HeldRoute> held_routes;
  Accounting accounting;
};

// A destination that is no longer configured: it does not hold the log, but its place is remembered until it
// is forgotten (`spanferry spool forget NAME`).
struct RemovedDestination {
  std::string name;
  std::uint64_t pending_spans = 0;  // when it was removed
  std::uint64_t dead_letters = 0;
};

struct SpoolStatus {
  std::string directory;
  std::string filesystem;  // ext4, tmpfs, overlayfs, ...
  std::uint64_t records = 0, spans = 0, bytes = 0, max_bytes = 0;
  double oldest_age_s = 0;
  Seq first_seq = 0, last_seq = 0;
  std::uint64_t quarantined_records = 0, lost_records = 0, lost_spans = 0, recovered_spans = 0;
  std::uint64_t appended_records = 0, appended_spans = 0;  // ever: the running totals
  std::uint64_t dead_letters = 0, dead_letter_bytes = 0;
  std::uint64_t commit_groups = 0, syncs = 0;
  bool accepting = true;
  std::string not_accepting_reason;   // max_bytes | min_free_bytes | io_error
  std::vector<std::string> warnings;  // about where the spool is
  std::vector<RemovedDestination> removed;
};

struct IngestStatus {
  std::uint64_t accepted_spans = 0, accepted_requests = 0;
  std::map<std::string, std::uint64_t> accepted_by_source;  // http, udp: spans
  std::map<std::string, std::uint64_t> rejected;            // reason → requests, datagrams or spans
  std::uint64_t connections = 0, inflight_bytes = 0;
  std::uint64_t udp_receive_buffer_bytes = 0;
  bool draining = false;
};

}  // namespace spanferry
