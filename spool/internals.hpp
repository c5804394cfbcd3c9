// Opening a spool on another file system than the machine's, or with other delays: for the spool's own tests.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include <rocksdb/env.h>

#include "model/result.hpp"
#include "spool/settings.hpp"

namespace spanferry::spool {

class Spool;

struct Internals {
  rocksdb::Env* env = nullptr;  // null: the system's; outlives the spool
  // Cursors nobody has asked for hold the log that long after a start: the daemon asks for its own one by
  // one.
  std::chrono::milliseconds orphan_grace{10'000};
  bool flush_at_close = true;  // false: leave everything to the next start, as a kill does
};

Result<std::unique_ptr<Spool>> open_spool(const Settings& settings,
                                          const std::function<void(std::string_view)>& on_wait,
                                          const Internals& internals);

}  // namespace spanferry::spool
