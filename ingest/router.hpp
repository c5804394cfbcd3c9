// Where a request is to go, as its sender said: headers, then resource attributes, then the operator's rules;
// else the default route, which each destination fills with its own experiment.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/settings.hpp"
#include "model/otlp_scan.hpp"
#include "model/record.hpp"
#include "model/result.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {

// The headers that name a route; empty ones count as absent.
struct RouteHeaders {
  std::string_view experiment_id;    // x-mlflow-experiment-id
  std::string_view experiment_name;  // x-spanferry-experiment
  std::string_view table;            // X-Databricks-UC-Table-Name
};

// Errors: invalid_input (an id that is not digits, a value that is too long or not UTF-8).
Result<Route> route_of(const RouteHeaders& headers);

// `*` is any run of characters, `?` any one character.
bool glob_matches(std::string_view pattern, std::string_view text);

// What a request or datagram has become: bytes to keep and what the scan found in them.
struct Decoded {
  std::shared_ptr<const std::string> payload;  // what `scan` has views into
  Scan scan;
  bool repaired = false;
};

// What all entries of one request have in common.
struct Origin {
  Source source = Source::http;
  std::int64_t received_ns = 0;
  std::string_view client;
  Route route;  // from the headers
};

// One entry for each route, all for one append; none when there is no span to keep. When there is just one
// route, its payload is `decoded.payload` itself.
std::vector<spool::Entry> entries_of(const Decoded& decoded, const Origin& origin,
                                     const std::vector<RouteRule>& rules);

}  // namespace spanferry::ingest
