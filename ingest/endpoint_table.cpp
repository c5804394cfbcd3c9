#include "ingest/endpoint_table.hpp"

#include <algorithm>

namespace spanferry::ingest {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool covers(const Endpoint& endpoint, std::string_view path) {
  return endpoint.path.size() > 1 && endpoint.path.ends_with('/') ? path.starts_with(endpoint.path)
                                                                  : path == endpoint.path;
}

bool takes(const Endpoint& endpoint, std::string_view method) {
  return endpoint.method == method || (endpoint.method == "GET" && method == "HEAD");
}

}  // namespace

EndpointTable::Match EndpointTable::find(std::string_view method, std::string_view path) const {
  std::size_t longest = 0;
  for (const Endpoint& endpoint : endpoints_) {
    if (covers(endpoint, path)) longest = std::max(longest, endpoint.path.size());
  }
  Match match;
  for (const Endpoint& endpoint : endpoints_) {
    if (!covers(endpoint, path) || endpoint.path.size() != longest) continue;
    match.path_is_known = true;
    match.audience = endpoint.audience;
    if (takes(endpoint, method)) {
      match.endpoint = &endpoint;
      return match;
    }
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += endpoint.method;
    if (endpoint.method == "GET") match.allow += ", HEAD";
  }
  return match;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

}  // namespace spanferry::ingest
