// The one HTTP client: libcurl's multi interface on an Asio io_context.
//
// Lives on the executor it was made with; everything is called there. HTTP errors are responses; only what
// kept us from getting a whole response is an error. Bodies are bounded. Redirects are never followed.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "net/proxy.hpp"

namespace spanferry::net {

struct HttpRequest {
  std::string method = "POST";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  // The body as pieces that are sent one after the other without being copied together. Content-Length is
  // their sum.
  std::vector<std::shared_ptr<const std::string>> body;
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds timeout{60000};  // of the whole exchange
  std::size_t max_response_bytes = 4U << 20;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // The first header of that (lower case) name.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  // Retry-After in seconds or as a date, from now; nothing if absent or unreadable.
  [[nodiscard]] std::optional<std::chrono::seconds> retry_after() const;
  // What the far side's clock said; nothing if it did not.
  [[nodiscard]] std::optional<std::chrono::sys_seconds> date() const;
};

enum class TransportFailure : std::uint8_t {
  resolve,        // no address for the host
  connect,        // nobody listens, or no way there
  timeout,        // no answer in time
  reset,          // the connection broke before an answer came
  truncated,      // it broke in the middle of an answer
  too_large,      // the answer is larger than max_response_bytes
  tls_untrusted,  // no trusted authority signed the certificate
  tls_hostname,   // the certificate is for another name
  tls_expired,    // the certificate is not valid now
  tls_client,     // our certificate is missing, unusable or refused
  tls_other,      // the handshake failed
  proxy_refused,  // the proxy wants a credential, or does not let us through
  proxy,          // the proxy cannot be reached, or cannot reach the far side
  bad_url,        // the url or a setting is unusable
  cancelled,      // the client is shutting down
};
std::string_view name(TransportFailure failure);

struct TransportError {
  TransportFailure failure = TransportFailure::connect;
  bool request_sent = false;  // whether any of the request's body may have reached the far side
  std::string sentence;       // names host and port, never credentials or query strings
};

struct TlsSettings {
  // PEM file of trusted authorities; empty: SSL_CERT_FILE, else the system's.
  std::string ca_file;
  // PEM file of our own certificate with its chain, where the far side asks for one, and of its key (empty:
  // in the same file). Read anew for each connection.
  std::string certificate{}, key{};
};

class HttpClient {
 public:
  HttpClient(boost::asio::io_context& io, TlsSettings tls, std::string user_agent,
             std::size_t max_connections = 32, ProxySettings proxies = proxies_of_environment());
  ~HttpClient();  // cancels what is under way
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // May be cancelled by Asio's per-operation cancellation (terminal).
  boost::asio::awaitable<std::expected<HttpResponse, TransportError>> perform(HttpRequest request);

  // Ends every exchange with `cancelled`; new ones fail at once.
  void shutdown();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace spanferry::net
