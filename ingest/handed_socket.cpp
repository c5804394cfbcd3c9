#include "ingest/handed_socket.hpp"

#include <array>
#include <optional>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace spanferry::ingest {
namespace {

std::optional<int> option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) return std::nullopt;
  return value;
}

}  // namespace

Result<Address> handed_address(int fd, Handed door) {
  const bool http = door == Handed::http;
  const auto wrong = [&](const char* what) {
    return fail(
        ErrorKind::configuration,
        fmt::format("descriptor {}, handed over by the service manager as {}, {}: the socket unit must "
                    "have {} with an IP address and a port",
                    fd, http ? "http" : "udp", what, http ? "ListenStream=" : "ListenDatagram="));
  };
  const auto type = option(fd, SO_TYPE);
  if (!type) return wrong("is no socket");
  if (*type != (http ? SOCK_STREAM : SOCK_DGRAM)) return wrong("is a socket of another type");
  sockaddr_storage where{};
  socklen_t size = sizeof where;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) != 0) return wrong("has no address");
  if (where.ss_family != AF_INET && where.ss_family != AF_INET6) return wrong("is no IP socket");
  if (http && option(fd, SO_ACCEPTCONN) != 1) return wrong("does not listen (Accept=no is needed)");

  Address address;
  address.is_v6 = where.ss_family == AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.is_v6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(where);
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    address.port = ntohs(v6.sin6_port);
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(where);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    address.port = ntohs(v4.sin_port);
  }
  address.host = text.data();
  address.is_loopback = is_loopback_literal(address.host);
  return address;
}

}  // namespace spanferry::ingest
