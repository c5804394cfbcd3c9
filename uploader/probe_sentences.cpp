#include "uploader/probe_sentences.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "model/lower.hpp"

namespace spanferry::uploader {
namespace {

std::string now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

}  // namespace

std::string remedy_of(net::TransportFailure failure, const Endpoint& endpoint) {
  using enum net::TransportFailure;
  switch (failure) {
    case resolve:
      return fmt::format(
          "check the spelling of the host in `url`, then this machine's name service (getent hosts {})",
          endpoint.host);
    case connect:
      return fmt::format(
          "start it, correct host and port of `url`, or open the way to port {} (firewall, HTTPS_PROXY)",
          endpoint.port);
    case timeout:
      return "look for a firewall that drops packets; behind a proxy, set HTTPS_PROXY";
    case reset:
    case truncated:
      return "look at its own log; something between may cut connections";
    case too_large:
      return "check that `url` leads to the destination itself";
    case tls_untrusted:
      return "set `ca_file` of the destination or SSL_CERT_FILE to the PEM file of the authority that signed "
             "it";
    case tls_hostname:
      return "set `url` to a host name that the certificate carries";
    case tls_expired:
      return fmt::format("have it renewed there; or set this machine's clock, which says {}", now());
    case tls_client:
      return "set `client_certificate` and `client_key` to PEM files that the destination accepts";
    case proxy_refused:
      return config_remedy(407);
    case proxy:
      return "check the proxy that HTTPS_PROXY names, and whether it may reach the destination";
    case tls_other:
      return "check that `url` names the port that speaks https, and which TLS versions it takes";
    case bad_url:
      return "correct the destination's settings";
    case cancelled:
      break;
  }
  return {};
}

std::string config_remedy(int status) {
  if (status >= 300 && status < 400) return "set `url` to the address that answers itself";
  if (status == 407) return "give the proxy its credential: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT";
  if (status == 415) return "try `compression: none`";
  if (status == 508) return "set `url` to the destination itself, not to this daemon";
  return "check host and path of `url`";
}

bool is_web_page(const net::HttpResponse& answer) {
  const bool may_be =
      answer.status < 300 || answer.status == 400 || answer.status == 404 || answer.status == 405;
  if (!may_be) return false;
  if (const auto type = answer.header("content-type"); type && lower(*type).starts_with("text/html"))
    return true;
  const auto start = lower(std::string_view(answer.body).substr(0, 64));
  return start.starts_with("<!doctype html") || start.starts_with("<html");
}

}  // namespace spanferry::uploader
