// An HTTP server that misbehaves on demand, and the backend behind it that remembers every span it was given.
// One thread, one epoll set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/load/backend.hpp"
#include "model/result.hpp"

namespace spanferry::bench {

// What the backend does with a request:
enum class SinkMode : std::uint8_t {
  ok,            // answers as the backend does
  status,        // answers the status set, books nothing
  close,         // reads it, then closes without an answer; books nothing
  answer_lost,   // books it, then closes without an answer
  never_answer,  // reads it and says nothing, until the mode changes
  black_hole,    // neither accepts nor reads, until the mode changes
  refuse,        // does not listen at all
};

class SinkServer {
 public:
  // Binds both ports (port 0: any). `quiet_s` of /compare is how long ago the last body came. The admin port
  // takes
  //   GET /stats   GET /compare?ledger=FILE   POST /mode?set=NAME[&status=N][&delay_ms=N]   POST /quit
  static Result<std::unique_ptr<SinkServer>> open(const std::string& address,
                                                  const std::string& admin_address,
                                                  std::unique_ptr<Backend> backend);
  virtual ~SinkServer() = default;

  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual std::uint16_t admin_port() const = 0;
  // Serves until /quit, or until `stop` is set.
  virtual void run(const volatile bool& stop) = 0;
};

}  // namespace spanferry::bench
