#include "net/proxy.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <optional>

#include <arpa/inet.h>
#include <curl/curl.h>

#include "model/lower.hpp"

namespace spanferry::net {
namespace {

// In small letters, without brackets and a final dot; libcurl writes every spelling of an IPv4 address with
// four numbers.
std::string host_of(std::string_view url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parts(curl_url(), &curl_url_cleanup);
  char* host = nullptr;
  std::string out;
  if (parts && curl_url_set(parts.get(), CURLUPART_URL, std::string(url).c_str(), 0) == CURLUE_OK &&
      curl_url_get(parts.get(), CURLUPART_HOST, &host, 0) == CURLUE_OK)
    out = lower(host);
  curl_free(host);
  if (out.starts_with('[') && out.ends_with(']')) out = out.substr(1, out.size() - 2);
  while (out.ends_with('.')) out.pop_back();
  return out;
}

struct Address {
  std::array<unsigned char, 16> bytes{};
  int bits = 0;  // 32 or 128
};

std::optional<Address> address_of(std::string_view text) {
  const std::string zero_ended(text);
  Address address;
  if (inet_pton(AF_INET, zero_ended.c_str(), address.bytes.data()) == 1)
    address.bits = 32;
  else if (inet_pton(AF_INET6, zero_ended.c_str(), address.bytes.data()) == 1)
    address.bits = 128;
  else
    return std::nullopt;
  return address;
}

bool same_prefix(const Address& a, const Address& b, int bits) {
  for (int bit = 0; bit < bits; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    if ((((a.bytes[byte] ^ b.bytes[byte]) >> (7 - bit % 8)) & 1) != 0) return false;
  }
  return true;
}

// "10.0.0.0/8", or an address alone.
bool is_in_network(const Address& address, std::string_view network) {
  const auto slash = network.find('/');
  const auto base = address_of(network.substr(0, slash));
  if (!base || base->bits != address.bits) return false;
  int bits = base->bits;
  if (slash != std::string_view::npos) {
    const auto digits = network.substr(slash + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (ec != std::errc{} || end != digits.data() + digits.size() || bits < 0 || bits > base->bits)
      return false;
  }
  return same_prefix(address, *base, bits);
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  const auto address = address_of(host);
  return address && (is_in_network(*address, "127.0.0.0/8") || is_in_network(*address, "::1") ||
                     is_in_network(*address, "::ffff:127.0.0.0/104"));
}

bool is_excepted(std::string_view host, std::string_view item) {
  if (item == "*") return true;
  if (item.starts_with('[') && item.ends_with(']')) item = item.substr(1, item.size() - 2);
  if (const auto address = address_of(host)) return is_in_network(*address, item);
  if (item.starts_with('.')) item.remove_prefix(1);
  if (item.empty() || !host.ends_with(item)) return false;
  return host.size() == item.size() || host[host.size() - item.size() - 1] == '.';
}

bool is_excepted_by(std::string_view host, const std::string& list) {
  constexpr std::string_view kBetween = ", \t";
  for (std::size_t at = list.find_first_not_of(kBetween); at != std::string::npos;) {
    const std::size_t end = std::min(list.find_first_of(kBetween, at), list.size());
    if (is_excepted(host, lower(std::string_view(list).substr(at, end - at)))) return true;
    at = list.find_first_not_of(kBetween, end);
  }
  return false;
}

}  // namespace

ProxySettings proxies_of(const std::function<std::string(const std::string& name)>& variable) {
  const auto either = [&](std::string_view name) {
    std::string value = variable(lower(name));
    return value.empty() ? variable(std::string(name)) : value;
  };
  const std::string all = either("ALL_PROXY");
  ProxySettings settings{either("HTTPS_PROXY"), either("HTTP_PROXY"), either("NO_PROXY")};
  if (settings.https.empty()) settings.https = all;
  if (settings.http.empty()) settings.http = all;
  return settings;
}

ProxySettings proxies_of_environment() {
  return proxies_of([](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return std::string(value == nullptr ? "" : value);
  });
}

std::string_view proxy_for(const ProxySettings& settings, std::string_view url) {
  constexpr std::string_view kSecure = "https://";
  const std::string& proxy = lower(url.substr(0, kSecure.size())) == kSecure ? settings.https : settings.http;
  if (proxy.empty()) return {};
  const std::string host = host_of(url);
  return is_loopback(host) || is_excepted_by(host, settings.except) ? std::string_view() : proxy;
}

std::string proxy_authority(std::string_view proxy) {
  if (const auto mark = proxy.find("://"); mark != std::string_view::npos) proxy.remove_prefix(mark + 3);
  proxy = proxy.substr(0, proxy.find_first_of("/?#"));
  if (const auto at = proxy.rfind('@'); at != std::string_view::npos) proxy.remove_prefix(at + 1);
  return std::string(proxy);
}

}  // namespace spanferry::net
