#include "ingest/gate.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "ingest/address.hpp"

namespace spanferry::ingest {
namespace {

bool same_text(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

bool is_loopback_name(std::string_view host) {
  static constexpr std::string_view kSuffix = ".localhost";
  if (host.ends_with('.')) host.remove_suffix(1);
  return same_text(host, "localhost") ||
         (host.size() > kSuffix.size() && same_text(host.substr(host.size() - kSuffix.size()), kSuffix));
}

// Whether a page of `origin` ("http://HOST:PORT") was served under `host` ("HOST:PORT"), so by us. What is
// called by a name of its own may have TLS from a proxy before it; on this host, https:// is somebody else's.
bool is_same_origin(std::string_view origin, std::string_view host, bool has_own_name) {
  const std::size_t scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return false;
  const std::string_view scheme = origin.substr(0, scheme_end);
  return (scheme == "http" || (has_own_name && scheme == "https")) &&
         same_text(origin.substr(scheme_end + 3), host);
}

// Somebody clicks on a link to the console: the page that bears the link sees nothing of what comes.
bool is_link_followed(const Head& head) {
  return head.method == "GET" && head.sec_fetch_mode == "navigate" && head.sec_fetch_dest == "document" &&
         !head.path.starts_with("/api/");
}

}  // namespace

std::optional<std::string_view> host_name(std::string_view host) {
  std::string_view port;
  std::string_view name = host;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    name = host.substr(1, end - 1);
    if (end + 1 < host.size()) {
      if (host[end + 1] != ':') return std::nullopt;
      port = host.substr(end + 2);
    }
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    name = host.substr(0, colon);
    port = host.substr(colon + 1);
  }
  const bool port_is_sound = std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  if (name.empty() || !port_is_sound) return std::nullopt;
  return name;
}

bool Gate::host_is_ours(std::string_view host) const {
  return is_loopback_name(host) || is_ip_literal(host) ||
         std::ranges::any_of(settings_.allowed_hosts,
                             [&](const std::string& allowed) { return same_text(allowed, host); });
}

std::optional<Answer> Gate::check_site(const Head& head) const {
  if (!head.host) {
    if (head.is_http_1_0) return std::nullopt;
    return refusal(head, 400, Rejection::malformed, "an HTTP/1.1 request must have a Host header");
  }
  const auto host = host_name(*head.host);
  if (!host) return refusal(head, 400, Rejection::malformed, "the Host header is malformed");
  const bool from_browser = head.origin || head.sec_fetch_site;
  if ((from_browser || !settings_.allow_remote) && !host_is_ours(*host)) {
    return refusal(
        head, 403, Rejection::forbidden,
        "this Host is not one of ours: call by a loopback name or an IP address, or add the name to "
        "listen.allowed_hosts");
  }
  const bool has_own_name = !is_loopback_name(*host) && !is_ip_literal(*host);
  if (head.origin && !is_same_origin(*head.origin, *head.host, has_own_name)) {
    return refusal(head, 403, Rejection::forbidden,
                   "requests from web pages of another origin are not taken");
  }
  if (head.sec_fetch_site && !head.origin && *head.sec_fetch_site != "same-origin" &&
      *head.sec_fetch_site != "none" && !is_link_followed(head)) {
    return refusal(head, 403, Rejection::forbidden, "requests from web pages of another site are not taken");
  }
  return std::nullopt;
}

std::optional<Answer> Gate::check_caller(const Head& head, Door door) const {
  if (door == Door::health) return std::nullopt;
  if (token_) {
    if (token_->allows(head.authorization)) return std::nullopt;
    Answer answer = refusal(head, 401, Rejection::unauthorized,
                            head.authorization.empty()
                                ? "a token is needed (listen.token_file): send Authorization: Bearer TOKEN"
                                : "this is not the token of listen.token_file");
    answer.headers.emplace_back("WWW-Authenticate", "Basic realm=\"spanferry\"");
    answer.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"spanferry\"");
    return answer;
  }
  if (door == Door::spans || head.peer_is_loopback) return std::nullopt;
  return refusal(
      head, 403, Rejection::forbidden,
      "without listen.token_file callers from elsewhere get /v1/traces and health only: set it, and "
      "send that token");
}

std::optional<Answer> Gate::check_loop(const Head& head) const {
  if (settings_.instance.empty() || head.hop != settings_.instance) return std::nullopt;
  return refusal(head, 508, Rejection::loop,
                 "this request was sent by this very daemon: a destination's url leads back to it");
}

}  // namespace spanferry::ingest
