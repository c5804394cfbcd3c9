// How an exchange ended that brought no whole answer, in our words. Used inside net/ only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <curl/curl.h>

#include "net/http_client.hpp"

namespace spanferry::net {

// What the TLS library's verification has said of the far side's certificate.
enum class CertificateRefusal : std::uint8_t { none, untrusted, not_valid_now };

struct ExchangeEnd {
  CURL* easy = nullptr;
  CURLcode code = CURLE_OK;
  std::string detail;  // libcurl's
  std::string authority, proxy;
  bool too_large = false;
  std::size_t max_response_bytes = 0;
  CertificateRefusal refusal = CertificateRefusal::none;
  std::string refusal_why;
};

TransportFailure failure_of(const ExchangeEnd& end);
// Names the far side and the proxy; no credentials, no query.
std::string sentence_of(const ExchangeEnd& end, TransportFailure failure);

}  // namespace spanferry::net
