// The HTTP listeners and the two threads behind them: "ingest" for connections, "decode" for what takes long.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "ingest/counters.hpp"
#include "ingest/handler.hpp"
#include "ingest/patience.hpp"
#include "ingest/route_table.hpp"
#include "ingest/settings.hpp"
#include "model/result.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {

class HttpDoor {
 public:
  // Binds all of settings.http. What is given by reference outlives the door. Errors: configuration, io.
  static Result<std::unique_ptr<HttpDoor>> open(const Settings& settings, spool::Spool& spool,
                                                Counters& counters, std::vector<Endpoint> endpoints,
                                                const RouteTable& routes, Patience& patience);
  // Stops at once; but for appends under way, whose requests are waited for.
  ~HttpDoor();

  [[nodiscard]] const std::vector<std::string>& addresses() const;
  // Takes no new connections, closes idle ones, answers requests under way, for at most `deadline`; then
  // closes what is left. Any one thread that is not ours; a second call does nothing.
  void stop(std::chrono::milliseconds deadline);

 private:
  class Impl;
  explicit HttpDoor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace spanferry::ingest
