// The daemon itself: opens the spool, the doors and the destinations, waits for a signal, drains.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "model/result.hpp"

namespace spanferry::daemon {

struct Doors {
  std::vector<std::string> http, udp;  // in fact bound
};

// What a run may be told beside its settings; each may be empty.
struct Callbacks {
  std::function<void(const Doors&)> on_started;
  std::function<void()> on_abandon;  // before a second signal ends the process
  // Reads the configuration again; empty: it does not change.
  std::function<std::expected<config::Loaded, std::vector<std::string>>()> load_again;
};

// Blocks until a signal ended it and everything is closed. Call on the main thread, which must be the only
// one, after block_stop_signals() and start_logging(). SIGHUP or a changed file has the configuration read
// again: what can be is taken over, an invalid one changes nothing. A second signal to stop ends the process
// at once: what was acknowledged is on disk.
// Errors: what kept it from starting.
Result<> run(const config::Loaded& loaded, const Callbacks& callbacks = {});

}  // namespace spanferry::daemon
