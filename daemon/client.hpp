// Asks the daemon of this machine over its own HTTP port. Blocking; for commands, not for the daemon.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "model/result.hpp"

namespace spanferry::daemon {

struct DaemonAddress {
  std::string http;                            // "127.0.0.1:4318"
  std::string udp;                             // "127.0.0.1:4319"; empty: off
  std::string token_file;                      // what it wants callers to present
  std::chrono::milliseconds patience{30'000};  // for a whole answer
};

struct Answer {
  int status = 0;
  std::string body;
};

// Errors: unavailable (nobody answers; the sentence says what to try), timeout, io, too_large.
Result<Answer> get(const DaemonAddress& daemon, const std::string& path_and_query);
Result<Answer> post(const DaemonAddress& daemon, const std::string& path, std::string_view content_type,
                    std::string_view body);
// Any method, without a body.
Result<Answer> call(const DaemonAddress& daemon, const std::string& method, const std::string& path);
// One datagram. Errors: too_large, io, configuration.
Result<> send_datagram(const DaemonAddress& daemon, std::string_view bytes);

// An address that can be connected to, of one that is listened on: 0.0.0.0 becomes 127.0.0.1.
std::string reachable(std::string_view listening);

// `text` with every byte that a query value cannot hold as it is percent-encoded.
std::string percent_encode(std::string_view text);

}  // namespace spanferry::daemon
