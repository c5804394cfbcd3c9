// The doors: HTTP and UDP listeners that turn requests and datagrams into records of the spool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ingest/handler.hpp"
#include "ingest/settings.hpp"
#include "model/result.hpp"
#include "model/status.hpp"

namespace spanferry::spool {
class Spool;
}

namespace spanferry::ingest {

class Patience;

// Owns its threads: one for HTTP ("ingest"), one for UDP ("udp") where it is on, one worker ("decode") for
// large bodies and for endpoints. Call from one thread.
class Server {
 public:
  // Binds all addresses. Errors: configuration (address, unreadable token file, wider than loopback without
  // leave), io (port taken: the sentence names it and the setting). `patience`: shared with the endpoints
  // that write, and outlives the server; nothing: its own.
  static Result<std::unique_ptr<Server>> start(const Settings& settings, spool::Spool& spool,
                                               std::vector<Endpoint> endpoints, Patience* patience = nullptr);
  virtual ~Server() = default;  // stops at once

  // The addresses in fact bound, ports filled in.
  [[nodiscard]] virtual std::vector<std::string> http_addresses() const = 0;
  [[nodiscard]] virtual std::vector<std::string> udp_addresses() const = 0;
  [[nodiscard]] virtual IngestStatus status() const = 0;  // any thread

  // Requests that come from now on go by these rules.
  virtual void route_by(std::vector<RouteRule> rules) = 0;
  // From now on every answer says `Connection: close`; connections and requests are still taken.
  virtual void start_draining() = 0;
  // How long nobody has sent anything (any thread); used to decide when a drain is over.
  [[nodiscard]] virtual std::chrono::milliseconds quiet_for() const = 0;
  // Closes the doors; requests under way are answered first, for at most `deadline`.
  virtual void stop(std::chrono::milliseconds deadline) = 0;
};

}  // namespace spanferry::ingest
