// The daemon itself: opens the spool, the doors and the destinations, waits for a signal, drains.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "model/result.hpp"

namespace spanferry::daemon {

struct Doors {
  std::vector<std::string> http, udp;  // in fact bound
};

// Blocks until a signal ended it and everything is closed. Call on the main thread, which must be the only
// one, after block_stop_signals() and start_logging(). `on_started` is told where we listen. A second signal
// ends the process at once, after `on_abandon`: what was acknowledged is on disk.
// Errors: what kept it from starting.
Result<> run(const config::Loaded& loaded, const std::function<void(const Doors&)>& on_started = {},
             const std::function<void()>& on_abandon = {});

}  // namespace spanferry::daemon
