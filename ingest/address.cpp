#include "ingest/address.hpp"

#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace spanferry::ingest {
namespace {

bool parse_v4(std::string_view host, in_addr& out) {
  return inet_pton(AF_INET, std::string(host).c_str(), &out) == 1;
}
bool parse_v6(std::string_view host, in6_addr& out) {
  return inet_pton(AF_INET6, std::string(host).c_str(), &out) == 1;
}

std::unexpected<Error> unreadable(std::string_view text) {
  return fail(
      ErrorKind::configuration,
      fmt::format("'{}' is not an address to listen on: write IP:PORT, as 127.0.0.1:4318 or [::1]:4318",
                  text));
}

}  // namespace

bool is_ip_literal(std::string_view host) {
  in_addr v4{};
  in6_addr v6{};
  return host.size() <= INET6_ADDRSTRLEN && (parse_v4(host, v4) || parse_v6(host, v6));
}

bool is_loopback_literal(std::string_view host) {
  if (host.size() > INET6_ADDRSTRLEN) return false;
  in_addr v4{};
  if (parse_v4(host, v4)) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (!parse_v6(host, v6)) return false;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

Result<Address> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return unreadable(text);
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  Address address;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size()) return unreadable(text);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    address.is_v6 = true;
  }
  if (host == "localhost") host = "127.0.0.1";
  if (!is_ip_literal(host) || address.is_v6 != (host.find(':') != std::string_view::npos))
    return unreadable(text);
  address.host = host;
  address.is_loopback = is_loopback_literal(host);
  return address;
}

std::string to_string(const Address& address) {
  return address.is_v6 ? fmt::format("[{}]:{}", address.host, address.port)
                       : fmt::format("{}:{}", address.host, address.port);
}

bool may_be_missing(const Address& address) {
  return address.is_v6 && (address.is_loopback || address.host == "::");
}

Result<> check_reach(const Address& address, std::string_view key, const Settings& settings) {
  if (address.is_loopback || settings.allow_remote || !settings.token_file.empty()) return {};
  return fail(
      ErrorKind::configuration,
      fmt::format("{}: {} can be reached from other machines; set listen.token_file so that callers must "
                  "present a token, or listen.allow_remote: true if that is meant",
                  key, to_string(address)));
}

}  // namespace spanferry::ingest
