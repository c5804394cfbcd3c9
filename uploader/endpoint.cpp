#include "uploader/endpoint.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "model/lower.hpp"

namespace spanferry::uploader {
namespace {

bool parse_port(std::string_view text, std::uint16_t* port) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), *port);
  return ec == std::errc{} && end == text.data() + text.size() && *port != 0;
}

// "HOST:PORT", "[V6]:PORT", or without a port.
bool split_authority(std::string_view authority, std::string* host, std::string_view* port) {
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return false;
    *host = lower(authority.substr(1, close - 1));
    authority.remove_prefix(close + 1);
    if (!authority.empty() && authority.front() != ':') return false;
    *port = authority.empty() ? authority : authority.substr(1);
    return !host->empty();
  }
  const std::size_t colon = authority.find(':');
  *host = lower(authority.substr(0, colon));
  *port = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon + 1);
  return !host->empty();
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "::1" ||
         host == "ip6-localhost" || host.starts_with("::ffff:127.");
}
bool is_any(std::string_view host) { return host == "0.0.0.0" || host == "::" || host.empty(); }

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view url) {
  const auto wrong = [&](std::string_view what) {
    return fail(ErrorKind::configuration,
                fmt::format("`url` {}; it must look like http(s)://HOST[:PORT][/PATH]", what));
  };
  const std::size_t mark = url.find("://");
  if (mark == std::string_view::npos) return wrong("has no scheme");
  Endpoint endpoint;
  endpoint.scheme = lower(url.substr(0, mark));
  if (endpoint.scheme != "http" && endpoint.scheme != "https") return wrong("is neither http nor https");
  url.remove_prefix(mark + 3);
  const std::size_t slash = url.find_first_of("/?#");
  const std::string_view authority = url.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) return wrong("carries a user name");
  std::string_view port;
  if (!split_authority(authority, &endpoint.host, &port)) return wrong("has no host");
  endpoint.port = endpoint.scheme == "https" ? 443 : 80;
  if (!port.empty() && !parse_port(port, &endpoint.port)) return wrong("has a port that is no number");
  if (slash != std::string_view::npos) {
    if (url.find_first_of("?#") != std::string_view::npos) return wrong("has a query or fragment");
    endpoint.path = url.substr(slash);
    while (endpoint.path.ends_with('/')) endpoint.path.pop_back();
  }
  return endpoint;
}

std::string join_url(std::string_view url, std::string_view path) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url) + std::string(path);
}

std::string otlp_traces_url(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return url.ends_with("/v1/traces") ? std::string(url) : join_url(url, "/v1/traces");
}

bool is_own_listener(const Endpoint& endpoint, const std::vector<std::string>& own_addresses) {
  return std::ranges::any_of(own_addresses, [&](const std::string& address) {
    std::string host;
    std::string_view port_text;
    std::uint16_t port = 0;
    if (!split_authority(address, &host, &port_text) || !parse_port(port_text, &port)) return false;
    if (port != endpoint.port) return false;
    const bool here = is_loopback(endpoint.host) || is_any(endpoint.host);
    return endpoint.host == host || (here && (is_loopback(host) || is_any(host)));
  });
}

}  // namespace spanferry::uploader
