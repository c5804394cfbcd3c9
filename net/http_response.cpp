#include <array>
#include <charconv>
#include <ctime>

#include <curl/curl.h>

#include "net/http_client.hpp"

namespace spanferry::net {

std::string_view name(TransportFailure failure) {
  static constexpr std::array<std::string_view, 15> kNames{
      "resolve",   "connect",       "timeout",      "reset",       "truncated",
      "too_large", "tls_untrusted", "tls_hostname", "tls_expired", "tls_client",
      "tls_other", "proxy_refused", "proxy",        "bad_url",     "cancelled"};
  return kNames[static_cast<std::size_t>(failure)];
}

std::optional<std::string_view> HttpResponse::header(std::string_view wanted) const {
  for (const auto& [key, value] : headers)
    if (key == wanted) return value;
  return std::nullopt;
}

std::optional<std::chrono::seconds> HttpResponse::retry_after() const {
  const auto text = header("retry-after");
  if (!text || text->empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (ec == std::errc{} && end == text->data() + text->size()) {
    if (seconds < 0) return std::nullopt;
    return std::chrono::seconds(seconds);
  }
  const std::time_t when = curl_getdate(std::string(*text).c_str(), nullptr);
  if (when == -1) return std::nullopt;
  return std::chrono::seconds(std::max<std::time_t>(0, when - std::time(nullptr)));
}

std::optional<std::chrono::sys_seconds> HttpResponse::date() const {
  const auto text = header("date");
  const std::time_t when = text ? curl_getdate(std::string(*text).c_str(), nullptr) : -1;
  if (when == -1) return std::nullopt;
  return std::chrono::sys_seconds(std::chrono::seconds(when));
}

}  // namespace spanferry::net
