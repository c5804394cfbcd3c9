// `routes` and `context` of a file.
#pragma once

#include <string>
#include <vector>

#include "config/raw.hpp"
#include "config/settings.hpp"

namespace spanferry::config {

std::vector<ingest::RouteRule> read_routes(const Node& list, const std::string& file, Problems& problems,
                                           std::vector<Shown>& shown);

// Any tag name may stand in `context`; values by full path ("context.region").
RawValues read_context(const Node& map, const std::string& file, Problems& problems);

}  // namespace spanferry::config
