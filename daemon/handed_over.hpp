// Sockets handed over by the service manager (sd_listen_fds(3)).
#pragma once

#include <string>
#include <vector>

#include "ingest/settings.hpp"
#include "model/result.hpp"

namespace spanferry::daemon {

// What the service manager opened for this process; none without one. Takes the variables that announce them
// out of the environment, so that no child believes them its own. Call once, before other threads start.
// Errors: configuration (a name that is no door of ours), io.
Result<ingest::HandedSockets> handed_sockets();

// The same for descriptors `first`, `first` + 1, … of these names: `http` and `udp`
// (FileDescriptorName= of the socket unit).
Result<ingest::HandedSockets> sort_by_name(const std::vector<std::string>& names, int first);

}  // namespace spanferry::daemon
