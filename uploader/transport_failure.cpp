#include "uploader/transport_failure.hpp"

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
    case net::TransportFailure::bad_url:
      return error.sentence + "; correct the destination's settings";
    default:
      return error.sentence;
  }
}

bool is_configuration(net::TransportFailure failure) {
  using enum net::TransportFailure;
  return failure == tls_untrusted || failure == tls_hostname || failure == tls_expired || failure == bad_url;
}

}  // namespace spanferry::uploader
