// Why OpenSSL refuses a certificate, read where it does: libcurl folds several reasons into one and does not
// tell since when a certificate is expired.
#pragma once

#include <curl/curl.h>

namespace spanferry::net {

// For CURLOPT_SSL_CTX_FUNCTION; `exchange` is the HttpExchange whose handshake this is. Changes nothing about
// what is accepted.
CURLcode watch_certificate_refusal(CURL* easy, void* ssl_context, void* exchange);

}  // namespace spanferry::net
