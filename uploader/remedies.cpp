#include "uploader/remedies.hpp"

#include <fmt/format.h>

namespace spanferry::uploader {
namespace {

constexpr const char* kTrustRemedy =
    "set `ca_file` of the destination or SSL_CERT_FILE to the PEM file of the authority that signed it";

}  // namespace

std::string failure_sentence(const net::TransportError& error) {
  switch (error.failure) {
    case net::TransportFailure::tls_untrusted:
      return fmt::format("{}; {}", error.sentence, kTrustRemedy);
    case net::TransportFailure::tls_hostname:
      return error.sentence + "; set `url` to a host name that the certificate carries";
    case net::TransportFailure::tls_expired:
      return error.sentence + "; it has to be renewed at the destination";
    case net::TransportFailure::tls_client:
      return error.sentence + "; set `client_certificate` and `client_key` of the destination";
    case net::TransportFailure::proxy_refused:
      return error.sentence +
             "; correct HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT), or name the host in NO_PROXY";
    case net::TransportFailure::bad_url:
      return error.sentence + "; correct the destination's settings";
    default:
      return error.sentence;
  }
}

bool is_configuration(net::TransportFailure failure) {
  using enum net::TransportFailure;
  return failure == tls_untrusted || failure == tls_hostname || failure == tls_expired ||
         failure == tls_client || failure == proxy_refused || failure == bad_url;
}

std::string config_sentence(std::string_view url, int status, Surface surface, std::string_view excerpt) {
  if (status >= 300 && status < 400)
    return fmt::format("{} redirects elsewhere (HTTP {}); set `url` to the address that answers itself", url,
                       status);
  if (status == 508)
    return fmt::format("{} leads back to this daemon; set `url` to the destination itself", url);
  if (status == 407)
    return fmt::format(
        "a proxy before {} wants a credential; correct HTTP_PROXY (http://USER:PASSWORD@HOST:PORT)", url);
  if (status == 415)
    return fmt::format("{} does not take what we send (HTTP 415); try `compression: none`", url);
  if (status == 404 || status == 405 || status == 501)
    return fmt::format(
        "{} does not take {} (HTTP {}); check host and path of `url`", url,
        surface == Surface::otlp || surface == Surface::mlflow_otlp ? "OTLP traces" : "this call", status);
  return fmt::format("{} answers HTTP {}: {}", url, status, excerpt);
}

}  // namespace spanferry::uploader
