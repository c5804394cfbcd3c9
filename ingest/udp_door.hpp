// The UDP listeners and their thread: datagrams, many at a time, into the spool. There is no answer: what is
// lost is counted.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ingest/counters.hpp"
#include "ingest/route_table.hpp"
#include "ingest/settings.hpp"
#include "model/result.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {

class UdpDoor {
 public:
  // Binds all of settings.udp. What is given by reference outlives the door. Errors: configuration, io.
  static Result<std::unique_ptr<UdpDoor>> open(const Settings& settings, spool::Spool& spool,
                                               std::shared_ptr<Counters> counters, const RouteTable& routes);
  ~UdpDoor();

  [[nodiscard]] const std::vector<std::string>& addresses() const;
  // Takes what the kernel already holds, then closes. A second call does nothing.
  void stop();

 private:
  class Impl;
  explicit UdpDoor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace spanferry::ingest
