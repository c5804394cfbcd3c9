#include "net/exchange_end.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace spanferry::net {
namespace {

using enum TransportFailure;

constexpr long kProxyAuthenticationRequired = 407;

// Of the proxy's answer to CONNECT; 0: none.
long connect_status(const ExchangeEnd& end) {
  long status = 0;
  curl_easy_getinfo(end.easy, CURLINFO_HTTP_CONNECTCODE, &status);
  return status / 100 == 2 ? 0 : status;
}

// TLS alerts by which a server refuses the certificate that we have shown, or have not. With TLS 1.3 they
// come after our side of the handshake is done, in place of an answer.
bool refuses_our_certificate(const ExchangeEnd& end) {
  constexpr std::array<std::string_view, 8> kAlerts{
      "alert certificate required", "alert bad certificate",     "alert unknown ca",
      "alert certificate expired",  "alert certificate revoked", "alert unsupported certificate",
      "alert access denied",        "alert decrypt error"};
  return std::ranges::any_of(
      kAlerts, [&](std::string_view alert) { return end.detail.find(alert) != std::string::npos; });
}

std::optional<TransportFailure> proxy_failure_of(const ExchangeEnd& end) {
  if (end.proxy.empty()) return std::nullopt;
  if (const long status = connect_status(end); status != 0)
    return status >= 400 && status < 500 ? proxy_refused : proxy;
  // With a proxy, libcurl connects to nobody else.
  if (end.code == CURLE_COULDNT_RESOLVE_PROXY || end.code == CURLE_COULDNT_CONNECT || end.code == CURLE_PROXY)
    return proxy;
  return std::nullopt;
}

std::string proxy_sentence(const ExchangeEnd& end, const std::string& why) {
  const long status = connect_status(end);
  if (status == kProxyAuthenticationRequired)
    return fmt::format("the proxy {} wants a credential, or another one, before it leads to {}", end.proxy,
                       end.authority);
  if (status != 0)
    return fmt::format("the proxy {} does not lead to {}: it answers HTTP {}", end.proxy, end.authority,
                       status);
  return fmt::format("the proxy {} cannot be reached: {}", end.proxy, why);
}

}  // namespace

TransportFailure failure_of(const ExchangeEnd& end) {
  if (end.too_large) return too_large;
  if (end.refusal != CertificateRefusal::none)
    return end.refusal == CertificateRefusal::untrusted ? tls_untrusted : tls_expired;
  if (const auto failure = proxy_failure_of(end)) return *failure;
  if (refuses_our_certificate(end)) return tls_client;
  long status = 0;
  curl_easy_getinfo(end.easy, CURLINFO_RESPONSE_CODE, &status);
  switch (end.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return resolve;
    case CURLE_COULDNT_CONNECT:
      return connect;
    case CURLE_OPERATION_TIMEDOUT:
      return timeout;
    case CURLE_PARTIAL_FILE:
      return truncated;
    // The chain was not refused: what failed is libcurl's own comparison of the name.
    case CURLE_PEER_FAILED_VERIFICATION:
      return tls_hostname;
    case CURLE_SSL_CERTPROBLEM:
      return tls_client;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
      return tls_other;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
      return bad_url;
    default:
      return status != 0 ? truncated : reset;
  }
}

std::string sentence_of(const ExchangeEnd& end, TransportFailure failure) {
  const std::string why = end.detail.empty() ? curl_easy_strerror(end.code) : end.detail;
  const std::string& there = end.authority;
  switch (failure) {
    case resolve:
      return fmt::format("the host of {} cannot be resolved: {}", there, why);
    case connect:
      return fmt::format("nothing listens at {}: {}", there, why);
    case timeout:
      return fmt::format("no answer from {} in time: {}", there, why);
    case reset:
      return fmt::format("{} broke the connection before it answered: {}", there, why);
    case truncated:
      return fmt::format("{} broke off in the middle of its answer: {}", there, why);
    case too_large:
      return fmt::format("the answer of {} is larger than {} bytes", there, end.max_response_bytes);
    case tls_untrusted:
      return fmt::format("no trusted authority signed the certificate of {}: {}", there, end.refusal_why);
    case tls_hostname:
      return fmt::format("the certificate of {} is for another name: {}", there, why);
    case tls_expired:
      return fmt::format("the certificate of {} is not valid now: {}", there, end.refusal_why);
    case tls_client:
      return end.code == CURLE_SSL_CERTPROBLEM
                 ? fmt::format("our certificate for {} cannot be used: {}", there, why)
                 : fmt::format("{} does not accept our certificate, or wants one: {}", there, why);
    case tls_other:
      return fmt::format("no TLS with {}: {}", there, why);
    case proxy_refused:
    case proxy:
      return proxy_sentence(end, why);
    case bad_url:
      return end.code == CURLE_SSL_CACERT_BADFILE
                 ? fmt::format("the file of trusted authorities cannot be used: {}", why)
                 : fmt::format("the url of {} is unusable: {}", there, why);
    case cancelled:
      return "stopped";
  }
  return why;
}

}  // namespace spanferry::net
