#include "daemon/check_doors.hpp"

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/address.hpp"

namespace spanferry::daemon {
namespace {

// errno of a bind; 0: it can be had.
int try_to_bind(const ingest::Address& address, int type) {
  const int socket = ::socket(address.is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
  if (socket < 0) return errno;
  const int yes = 1;
  // As the doors do: a connection of an earlier process that lingers is in nobody's way.
  if (type == SOCK_STREAM) ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(address.port);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port);
  ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
  ::inet_pton(address.is_v6 ? AF_INET6 : AF_INET, address.host.c_str(),
              address.is_v6 ? static_cast<void*>(&v6.sin6_addr) : static_cast<void*>(&v4.sin_addr));
  const auto* where =
      address.is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
  const int bound = ::bind(socket, where, address.is_v6 ? sizeof v6 : sizeof v4);
  const int error = bound == 0 ? 0 : errno;
  ::close(socket);
  return error;
}

Finding check_door(const ingest::Settings& settings, std::string_view key, const std::string& text, int type,
                   bool is_running) {
  const std::string subject = fmt::format("{} {}", key, text);
  const auto address = ingest::parse_address(text);
  if (!address) return {Grade::fail, subject, address.error().sentence, fmt::format("correct {}", key)};
  if (const auto reach = ingest::check_reach(*address, key, settings); !reach)
    return {Grade::fail, subject, reach.error().sentence, "set one of the two, or listen on loopback"};
  const int error = try_to_bind(*address, type);
  if (error == 0) return {Grade::ok, subject, address->port == 0 ? "any free port" : "free", {}};
  if (error == EADDRINUSE && is_running) return {Grade::ok, subject, "the running daemon listens there", {}};
  if (error == EADDRINUSE)
    return {Grade::fail, subject, "the port is taken by another program",
            fmt::format("find it by `ss -ln{}p 'sport = :{}'` and stop it, or set {}",
                        type == SOCK_STREAM ? 't' : 'u', address->port, key)};
  if (ingest::may_be_missing(*address) && (error == EADDRNOTAVAIL || error == EAFNOSUPPORT))
    return {Grade::warn, subject, "this machine has no IPv6; it is left out", {}};
  if (error == EACCES)
    return {Grade::fail, subject, "a port below 1024 is for privileged processes",
            fmt::format("set {} to a higher port", key)};
  return {Grade::fail, subject, std::strerror(error),
          fmt::format("set {} to an address that this machine has", key)};
}

}  // namespace

std::vector<Finding> check_doors(const ingest::Settings& settings, bool is_running) {
  std::vector<Finding> findings;
  for (const auto& text : settings.http)
    if (!text.empty()) findings.push_back(check_door(settings, "listen.http", text, SOCK_STREAM, is_running));
  for (const auto& text : settings.udp)
    if (!text.empty()) findings.push_back(check_door(settings, "listen.udp", text, SOCK_DGRAM, is_running));
  return findings;
}

}  // namespace spanferry::daemon
