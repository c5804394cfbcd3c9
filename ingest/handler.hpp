// How other modules answer HTTP requests at our port: a table of paths, filled by daemon. OTLP is served by
// ingest itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/limits.hpp"

namespace spanferry::ingest {

struct Request {
  std::string_view method;
  std::string_view path;   // without the query; percent-encoding undone
  std::string_view query;  // as it came
  std::string_view body;
  bool from_loopback = false;
  std::string_view user_agent;
  std::string_view host;          // as the caller calls us: host[:port]; empty when it did not say
  std::string_view content_type;  // without what follows the `;`, in small letters
};

enum class Rejection : std::uint8_t;  // counters.hpp

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers{};
  // What the doors count: a write that was kept, with so many spans; why something was turned away.
  std::optional<std::uint64_t> accepted_spans{};
  std::optional<Rejection> rejection{};
};

// Who may call a path. `everyone`: every peer, without a token, which is for health alone. `loopback`: peers
// on this host, or where there is a token_file all that present the token.
enum class Audience : std::uint8_t { everyone, loopback };

struct Endpoint {
  std::string method;  // GET also answers HEAD
  std::string path;    // exact, or a prefix when it ends in "/"
  Audience audience = Audience::loopback;
  // Called on the worker thread (it may read the spool); `reply` may be called from any thread, exactly once.
  // The request lives as long as `reply`.
  std::function<void(const Request&, std::move_only_function<void(Response)> reply)> handle;
  // The largest body it takes, and never more than listen.max_body_bytes.
  std::uint64_t max_body_bytes = kMaxEndpointBodyBytes;
  // Asked before a body is read, on the ingest thread: whether path and query are those of somebody who may
  // call it. Empty: whoever the audience lets in.
  std::function<bool(std::string_view path, std::string_view query)> admits{};
};

}  // namespace spanferry::ingest
