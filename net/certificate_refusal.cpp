#include "net/certificate_refusal.hpp"

#include <array>
#include <ctime>
#include <string>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/http_exchange.hpp"

namespace spanferry::net {
namespace {

int exchange_slot() {
  static const int slot = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return slot;
}

std::string text(const ASN1_TIME* time) {
  std::tm parts{};
  std::array<char, 32> out{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable time";
  return {out.data(), std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

int verified(int accepted, X509_STORE_CTX* store) {
  if (accepted == 1) return 1;
  const auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const X509* certificate = X509_STORE_CTX_get_current_cert(store);
  if (ssl == nullptr || certificate == nullptr) return accepted;
  auto* exchange = static_cast<HttpExchange*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), exchange_slot()));
  if (exchange == nullptr) return accepted;
  using Reason = CertificateRefusal;
  switch (X509_STORE_CTX_get_error(store)) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      exchange->note_refusal(Reason::not_valid_now, "it expired at " + text(X509_get0_notAfter(certificate)));
      break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      exchange->note_refusal(Reason::not_valid_now,
                             "it is valid from " + text(X509_get0_notBefore(certificate)) + " on");
      break;
    default:
      exchange->note_refusal(Reason::untrusted,
                             X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
      break;
  }
  return accepted;
}

}  // namespace

CURLcode watch_certificate_refusal(CURL*, void* ssl_context, void* exchange) {
  auto* context = static_cast<SSL_CTX*>(ssl_context);
  if (SSL_CTX_set_ex_data(context, exchange_slot(), exchange) != 1) return CURLE_OK;
  SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), verified);
  return CURLE_OK;
}

}  // namespace spanferry::net
