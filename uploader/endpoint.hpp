// A destination's url, taken apart as far as we need it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/percent_encode.hpp"  // IWYU pragma: export
#include "model/result.hpp"

namespace spanferry::uploader {

struct Endpoint {
  std::string scheme;  // http | https
  std::string host;    // without brackets
  std::uint16_t port = 0;
  std::string path;  // without a slash at its end; may be empty
};

// Errors: configuration (what is wrong with the url; user names and passwords in it are refused).
Result<Endpoint> parse_endpoint(std::string_view url);

// `url` without slashes at its end, and `path` after it.
std::string join_url(std::string_view url, std::string_view path);
// `url` with /v1/traces at its end, once.
std::string otlp_traces_url(std::string_view url);

// Whether the endpoint is one of our own listeners (ADDRESS:PORT each).
bool is_own_listener(const Endpoint& endpoint, const std::vector<std::string>& own_addresses);

}  // namespace spanferry::uploader
