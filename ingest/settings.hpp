// What the operator can say about the doors.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/record.hpp"

namespace spanferry::ingest {

// A route rule: every pattern must match the resource attribute of its name; `*` and `?` are wildcards.
struct RouteRule {
  std::map<std::string, std::string> resource;
  Route route;
};

// Descriptors of sockets that the service manager has opened. Where a door has some, they take the place of
// its addresses. An open door owns its own and closes them; they cannot be given to a second server.
struct HandedSockets {
  std::vector<int> http, udp;
};

// The MLflow API in front: whether it is served, and for which destination it speaks (a name; empty: the
// first of kind databricks or mlflow, else what is kept here).
struct MlflowApiSettings {
  bool served = true;
  std::string destination;
};

struct Settings {
  std::vector<std::string> http{"127.0.0.1:4318",
                                "[::1]:4318"};  // ADDRESS:PORT; port 0: any free one; empty: off
  std::vector<std::string> udp{"127.0.0.1:4319", "[::1]:4319"};
  std::string token_file;  // bearer token that callers must present; re-read when it changes
  bool allow_remote = false;
  std::vector<std::string> allowed_hosts;
  std::uint64_t max_body_bytes = 64ULL << 20;
  std::uint64_t max_inflight_bytes = 64ULL << 20;
  std::uint32_t max_connections = 10000;
  std::uint32_t max_header_bytes = 16U << 10;
  std::chrono::milliseconds header_timeout{10000};  // from a request's first byte to the end of its header
  std::chrono::milliseconds body_timeout{60000};    // for the whole body
  std::chrono::milliseconds idle_timeout{75000};    // between requests
  std::chrono::milliseconds write_timeout{10000};   // for an answer to be taken
  std::uint64_t udp_receive_buffer_bytes = 8ULL << 20;
  std::uint64_t udp_queue_bytes = 16ULL << 20;  // handed to the spool and not yet durable
  std::vector<RouteRule> routes;
  MlflowApiSettings mlflow_api;
  HandedSockets handed;
  std::string instance;  // a request whose X-Spanferry-Hop is this one has come back to us: 508
};

}  // namespace spanferry::ingest
