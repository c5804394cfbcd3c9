// One HTTP exchange on a libcurl easy handle: sets it up, feeds the body, gathers the answer, and says in our
// words how it ended. Driven by HttpClient; used inside net/ only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include <curl/curl.h>

#include "net/exchange_end.hpp"
#include "net/http_client.hpp"

namespace spanferry::net {

using HttpResult = std::expected<HttpResponse, TransportError>;

inline constexpr std::size_t kMaxResponseHeaderBytes = 64U << 10;

struct ClientOptions {
  TlsSettings tls;  // no ca_file: what libcurl was built with
  std::string user_agent;
  ProxySettings proxies;
};

class HttpExchange {
 public:
  HttpExchange(HttpRequest request, const ClientOptions& options);
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // Null: the set-up failed, result() says why.
  [[nodiscard]] CURL* easy() const { return easy_; }
  // What to give the caller once libcurl reported `code` for this handle.
  HttpResult result(CURLcode code);
  [[nodiscard]] TransportError error(TransportFailure failure, std::string sentence) const;

  // Called by the TLS library's verification, with its reason.
  void note_refusal(CertificateRefusal refusal, std::string why) {
    refusal_ = refusal;
    refusal_why_ = std::move(why);
  }

 private:
  bool set_up(const ClientOptions& options);
  bool set_up_method();
  void set_up_tls(const TlsSettings& tls);
  bool set_up_proxy(const ClientOptions& options);
  bool add_header(const std::string& line);
  [[nodiscard]] ExchangeEnd end(CURLcode code) const;

  std::size_t read_body(char* out, std::size_t room);
  int seek_body(std::uint64_t offset);
  std::size_t take_header(std::string_view line);
  std::size_t take_body(std::string_view data);

  static std::size_t on_read(char* out, std::size_t size, std::size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_write(char* data, std::size_t size, std::size_t count, void* self);

  HttpRequest request_;
  std::string authority_;  // host:port, for sentences
  std::string proxy_;      // the same of the proxy; empty: none
  CURL* easy_ = nullptr;
  curl_slist* header_list_ = nullptr;
  std::uint64_t body_bytes_ = 0;
  std::size_t piece_ = 0, offset_ = 0;  // where in request_.body the next read starts
  bool body_read_ = false;
  HttpResponse response_;
  std::size_t header_bytes_ = 0;
  bool too_large_ = false;
  CertificateRefusal refusal_ = CertificateRefusal::none;
  std::string refusal_why_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
};

}  // namespace spanferry::net
