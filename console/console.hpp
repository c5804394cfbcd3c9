// What we tell people and scripts: status, traces, health and metrics, as endpoints for the port of ingest.
// Knows spool and model; daemon gives it what the other modules say about themselves.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/status.hpp"

namespace spanferry::spool {
class Spool;
}

namespace spanferry::console {

struct TraceDelivery {
  std::string destination;
  bool settled = false;
};

struct Sources {
  spool::Spool* spool = nullptr;  // outlives the console
  std::string version;
  std::string instance;
  std::function<double()> uptime_s;
  std::function<bool()> started;  // false until every destination is there; empty: it is
  std::function<IngestStatus()> ingest;
  std::function<std::vector<DestinationStatus>()> destinations;
  std::function<std::vector<TraceDelivery>(const TraceId&, const std::vector<Seq>&)> delivery;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// Each is a pure function of the sources; any thread.
Reply status(const Sources& sources);                          // GET /api/spanferry/v1/status
Reply traces(const Sources& sources, std::string_view query);  // GET /api/spanferry/v1/traces?limit=&before=
Reply trace(const Sources& sources, std::string_view id);  // GET /api/spanferry/v1/traces/ID (hex or tr-hex)
Reply dead_letters(const Sources& sources, std::string_view query);  // GET /api/spanferry/v1/dead-letters
// POST /api/spanferry/v1/spool/forget?name=; `reply` is called once that is durable, on another thread.
void forget(const Sources& sources, std::string_view query, std::move_only_function<void(Reply)> reply);
Reply dead_letter(const Sources& sources, std::string_view id);  // GET /api/spanferry/v1/dead-letters/ID
// DELETE /api/spanferry/v1/dead-letters/WHICH: an id, or a destination's name for all of its letters.
Reply drop_dead_letters(const Sources& sources, std::string_view which);
// POST /api/spanferry/v1/dead-letters/WHICH/retry
Reply retry_dead_letters(const Sources& sources, std::string_view which);
Reply livez(const Sources& sources);
// ?destinations: they decide too. `with_reasons`: also what the far sides said, which is not for every peer.
Reply readyz(const Sources& sources, std::string_view query, bool with_reasons = true);
Reply metrics(const Sources& sources);  // Prometheus text

// docs/metrics.md: every metric there is.
std::string metrics_reference();

// The body of `status`, for the CLI on a stopped spool and for tests.
std::string status_json(const Sources& sources);

}  // namespace spanferry::console
