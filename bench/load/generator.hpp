// Posts numbered export requests over many keep-alive connections and keeps account of every one.
// One thread, one epoll set; nothing is allocated for a request.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bench/load/latencies.hpp"
#include "bench/load/ledger.hpp"
#include "bench/load/payload.hpp"
#include "model/result.hpp"

namespace spanferry::bench {

struct LoadPlan {
  std::string address;  // IPv4 address and port
  std::string path = "/v1/traces";
  Shape shape = kShapes[0];
  std::uint32_t variants = 16;  // texts; connection number i sends text i mod variants
  std::uint32_t connections = 64;
  std::uint16_t seed = 1;
  std::uint64_t first_request = 0;
  std::chrono::milliseconds duration{10'000};  // 0: until `requests` are out
  std::uint64_t requests = 0;                  // 0: until `duration` has passed
  double rate = 0;                            // requests a second over all connections; 0: as fast as it goes
  std::chrono::milliseconds timeout{30'000};  // for one answer; beyond, the connection is given up
  std::chrono::milliseconds pause{10};        // of a connection after a refusal or an error
  std::chrono::milliseconds linger{10'000};   // for the last answers, once nothing new is sent
  bool progress = false;                      // one line of JSON a second on stderr
};

struct LoadReport {
  LoadReport(const LoadPlan& plan) : ledger(plan.seed, plan.shape.spans) {}

  Ledger ledger;
  double seconds = 0;
  std::uint64_t sent = 0;        // whole requests put on the wire
  std::uint64_t partial = 0;     // answered 200 with a partial success: not acknowledged
  std::uint64_t broken = 0;      // the connection ended while a request was on it
  std::uint64_t timeouts = 0;    // no answer within `timeout`
  std::uint64_t unanswered = 0;  // no answer when the run ended
  std::uint64_t connect_errors = 0;
  std::uint64_t first_refusal_retry_after_s = 0;
  std::map<int, std::uint64_t> refused;  // HTTP status → requests
  std::vector<std::uint64_t> acknowledged_spans_each_second;
  Latencies latencies;  // of acknowledged requests; with a rate, from when each was due
  std::size_t body_bytes = 0;
};

// Runs the plan; `stop` (may be set by a signal handler) ends it early. io if epoll cannot be had,
// invalid_input if the address cannot be read.
Result<LoadReport> run_load(const LoadPlan& plan, const volatile bool& stop);

// The report as one JSON object.
std::string to_json(const LoadPlan& plan, const LoadReport& report);

}  // namespace spanferry::bench
