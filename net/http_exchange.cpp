#include "net/http_exchange.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

#include <fmt/format.h>

#include "net/certificate_refusal.hpp"

namespace spanferry::net {
namespace {

constexpr long kUploadBufferBytes = 256L << 10;
constexpr long kKeepAliveIdleSeconds = 30;

std::string authority_of(const std::string& url) {
  std::string out = "the destination";
  CURLU* parts = curl_url();
  if (parts == nullptr) return out;
  char* host = nullptr;
  char* port = nullptr;
  if (curl_url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
    out = fmt::format("{}:{}", host, port);
  curl_free(host);
  curl_free(port);
  curl_url_cleanup(parts);
  return out;
}

}  // namespace

HttpExchange::HttpExchange(HttpRequest request, const ClientOptions& options)
    : request_(std::move(request)), authority_(authority_of(request_.url)) {
  for (const auto& piece : request_.body) body_bytes_ += piece->size();
  easy_ = curl_easy_init();
  if (easy_ != nullptr && !set_up(options)) {
    curl_easy_cleanup(easy_);
    easy_ = nullptr;
  }
}

HttpExchange::~HttpExchange() {
  if (easy_ != nullptr) curl_easy_cleanup(easy_);
  curl_slist_free_all(header_list_);
}

bool HttpExchange::add_header(const std::string& line) {
  // A line break in a configured header would smuggle a second one.
  if (line.find_first_of("\r\n") != std::string::npos) return false;
  curl_slist* longer = curl_slist_append(header_list_, line.c_str());
  if (longer == nullptr) return false;
  header_list_ = longer;
  return true;
}

bool HttpExchange::set_up(const ClientOptions& options) {
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  if (curl_easy_setopt(easy_, CURLOPT_URL, request_.url.c_str()) != CURLE_OK) return false;
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  if (!set_up_proxy(options)) return false;
  // HTTP/2 where a TLS server chooses it in the handshake; requests then share its connections.
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  // A slow resolver must not hold the loop when its exchange ends early.
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, detail_.data());
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, options.user_agent.c_str());
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  curl_easy_setopt(easy_, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout.count()));
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &HttpExchange::on_header);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &HttpExchange::on_write);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  set_up_tls(options.tls);
  if (!set_up_method()) return false;
  bool has_content_type = false;
  for (const auto& [key, value] : request_.headers) {
    has_content_type = has_content_type || strcasecmp(key.c_str(), "content-type") == 0;
    // libcurl's spelling of a header without a value ends in a semicolon.
    if (!add_header(value.empty() ? key + ";" : key + ": " + value)) return false;
  }
  if (!add_header("Expect:") || (!has_content_type && !add_header("Content-Type:"))) return false;
  return curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, header_list_) == CURLE_OK;
}

bool HttpExchange::set_up_method() {
  if (request_.method == "HEAD") return curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L) == CURLE_OK;
  const bool takes_body = request_.method == "POST" || request_.method == "PUT" || request_.method == "PATCH";
  if (takes_body || body_bytes_ > 0) {
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_bytes_));
    curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &HttpExchange::on_read);
    curl_easy_setopt(easy_, CURLOPT_READDATA, this);
    curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, &HttpExchange::on_seek);
    curl_easy_setopt(easy_, CURLOPT_SEEKDATA, this);
  } else {
    curl_easy_setopt(easy_, CURLOPT_HTTPGET, 1L);
  }
  return curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str()) == CURLE_OK;
}

void HttpExchange::set_up_tls(const TlsSettings& tls) {
  if (!tls.ca_file.empty()) {
    curl_easy_setopt(easy_, CURLOPT_CAINFO, tls.ca_file.c_str());
    curl_easy_setopt(easy_, CURLOPT_PROXY_CAINFO, tls.ca_file.c_str());
    // These authorities and no others.
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(easy_, CURLOPT_PROXY_CAPATH, nullptr);
  }
  if (!tls.certificate.empty()) {
    curl_easy_setopt(easy_, CURLOPT_SSLCERT, tls.certificate.c_str());
    curl_easy_setopt(easy_, CURLOPT_SSLKEY, (tls.key.empty() ? tls.certificate : tls.key).c_str());
    // Else OpenSSL would ask the terminal for the password of an encrypted key, and wait.
    curl_easy_setopt(easy_, CURLOPT_KEYPASSWD, "");
  }
  curl_easy_setopt(easy_, CURLOPT_SSL_CTX_FUNCTION, &watch_certificate_refusal);
  curl_easy_setopt(easy_, CURLOPT_SSL_CTX_DATA, this);
}

bool HttpExchange::set_up_proxy(const ClientOptions& options) {
  const std::string proxy(proxy_for(options.proxies, request_.url));
  proxy_ = proxy_authority(proxy);
  curl_easy_setopt(easy_, CURLOPT_NOPROXY, "");  // else libcurl would look into the environment itself
  // What the proxy answers to CONNECT is not the far side's answer.
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy_, CURLOPT_PROXYAUTH, static_cast<long>(CURLAUTH_BASIC));
  return curl_easy_setopt(easy_, CURLOPT_PROXY, proxy.c_str()) == CURLE_OK;
}

std::size_t HttpExchange::read_body(char* out, std::size_t room) {
  std::size_t written = 0;
  while (written < room && piece_ < request_.body.size()) {
    const std::string& piece = *request_.body[piece_];
    const std::size_t n = std::min(room - written, piece.size() - offset_);
    std::memcpy(out + written, piece.data() + offset_, n);
    written += n;
    offset_ += n;
    if (offset_ == piece.size()) {
      ++piece_;
      offset_ = 0;
    }
  }
  body_read_ = body_read_ || written > 0;
  return written;
}

int HttpExchange::seek_body(std::uint64_t offset) {
  // libcurl would send it all again by itself where a kept connection breaks before the answer. What became
  // of the request is for the sender to find out: some must not be sent twice unseen.
  if (piece_ > 0 || offset_ > 0) return CURL_SEEKFUNC_FAIL;
  piece_ = 0;
  while (piece_ < request_.body.size() && offset >= request_.body[piece_]->size())
    offset -= request_.body[piece_++]->size();
  offset_ = piece_ < request_.body.size() ? offset : 0;
  return CURL_SEEKFUNC_OK;
}

std::size_t HttpExchange::take_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    // The start of an answer, or of the one that follows an interim one.
    response_ = {};
    header_bytes_ = 0;
    return line.size();
  }
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxResponseHeaderBytes) {
    too_large_ = true;
    return 0;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string key(line.substr(0, colon));
  std::ranges::transform(key, key.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front())) != 0)
    value.remove_prefix(1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back())) != 0)
    value.remove_suffix(1);
  response_.headers.emplace_back(std::move(key), value);
  return line.size();
}

std::size_t HttpExchange::take_body(std::string_view data) {
  if (response_.body.size() + data.size() > request_.max_response_bytes) {
    too_large_ = true;
    return 0;
  }
  response_.body += data;
  return data.size();
}

std::size_t HttpExchange::on_read(char* out, std::size_t size, std::size_t count, void* self) {
  return static_cast<HttpExchange*>(self)->read_body(out, size * count);
}

int HttpExchange::on_seek(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  return static_cast<HttpExchange*>(self)->seek_body(static_cast<std::uint64_t>(offset));
}

std::size_t HttpExchange::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<HttpExchange*>(self)->take_header({data, size * count});
}

std::size_t HttpExchange::on_write(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<HttpExchange*>(self)->take_body({data, size * count});
}

HttpResult HttpExchange::result(CURLcode code) {
  if (easy_ == nullptr)
    return std::unexpected(
        error(TransportFailure::bad_url, fmt::format("the url or a header for {} is unusable", authority_)));
  if (code == CURLE_OK) {
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<int>(status);
    return std::move(response_);
  }
  const ExchangeEnd how = end(code);
  const TransportFailure failure = failure_of(how);
  return std::unexpected(error(failure, sentence_of(how, failure)));
}

ExchangeEnd HttpExchange::end(CURLcode code) const {
  return {easy_,    code,        detail_.data(), authority_, proxy_, too_large_, request_.max_response_bytes,
          refusal_, refusal_why_};
}

TransportError HttpExchange::error(TransportFailure failure, std::string sentence) const {
  return {failure, body_read_, std::move(sentence)};
}

}  // namespace spanferry::net
