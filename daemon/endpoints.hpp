// The paths of our port that ingest does not answer by itself, and who answers them.
#pragma once

#include <vector>

#include "console/console.hpp"
#include "ingest/handler.hpp"

namespace spanferry::daemon {

// `sources` must outlive every call: the server is stopped before it dies.
std::vector<ingest::Endpoint> endpoints(const console::Sources& sources);

}  // namespace spanferry::daemon
