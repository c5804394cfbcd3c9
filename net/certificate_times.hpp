// libcurl tells that a certificate is not valid now, but not since when: this reads it where OpenSSL refuses.
#pragma once

#include <curl/curl.h>

namespace spanferry::net {

// For CURLOPT_SSL_CTX_FUNCTION; `exchange` is the HttpExchange whose handshake this is. Changes nothing about
// what is accepted.
CURLcode watch_certificate_times(CURL* easy, void* ssl_context, void* exchange);

}  // namespace spanferry::net
