#include "ingest/udp_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace spanferry::ingest {
namespace {

socklen_t fill(const Address& address, sockaddr_storage& out) {
  if (address.is_v6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr);
    return sizeof v6;
  }
  auto& v4 = reinterpret_cast<sockaddr_in&>(out);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(address.port);
  inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr);
  return sizeof v4;
}

std::uint16_t port_of(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

std::uint64_t receive_buffer_of(int fd) {
  int bytes = 0;
  socklen_t size = sizeof bytes;
  return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size) == 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

bool set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

}  // namespace

UdpSocket::UdpSocket(UdpSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      address_(std::move(other.address_)),
      receive_buffer_bytes_(other.receive_buffer_bytes_),
      kernel_drops_(other.kernel_drops_) {}

UdpSocket::~UdpSocket() {
  if (fd_ >= 0) close(fd_);
}

Result<UdpSocket> UdpSocket::bind(Address address, std::uint64_t receive_buffer_bytes) {
  const auto failed = [&](const char* what) {
    const int error = errno;
    const bool no_such_address = error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
    return fail(
        no_such_address ? ErrorKind::unavailable : ErrorKind::io,
        fmt::format(
            "listen.udp: cannot {} {}: {}{}", what, to_string(address), std::strerror(error),
            error == EADDRINUSE ? " (is another daemon running? choose another port with listen.udp)" : ""));
  };
  const int fd = ::socket(address.is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed("open a socket for");
  UdpSocket socket(fd, address);
  if (address.is_v6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  socket.prepare(receive_buffer_bytes);
  sockaddr_storage where{};
  socklen_t size = fill(address, where);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&where), size) != 0) return failed("listen on");
  size = sizeof where;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) != 0) return failed("ask for the port of");
  socket.address_.port = port_of(where);
  return socket;
}

UdpSocket UdpSocket::adopt(int fd, Address address, std::uint64_t receive_buffer_bytes) {
  UdpSocket socket(fd, std::move(address));
  const int flags = fcntl(fd, F_GETFL);
  if (flags >= 0) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  // A service manager may give more than we can ask for.
  socket.prepare(receive_buffer_of(fd) < receive_buffer_bytes ? receive_buffer_bytes : 0);
  return socket;
}

void UdpSocket::prepare(std::uint64_t receive_buffer_bytes) {
  // The first needs CAP_NET_ADMIN; the second is cut to net.core.rmem_max.
  const int wanted = static_cast<int>(std::min<std::uint64_t>(receive_buffer_bytes, 1U << 30));
  if (wanted > 0 && !set(fd_, SOL_SOCKET, SO_RCVBUFFORCE, wanted)) set(fd_, SOL_SOCKET, SO_RCVBUF, wanted);
  set(fd_, SOL_SOCKET, SO_RXQ_OVFL, 1);
  receive_buffer_bytes_ = receive_buffer_of(fd_);
}

DatagramBatch::DatagramBatch() : memory_(new char[kDatagramsAtOnce * kDatagramBytes]) {
  datagrams_.reserve(kDatagramsAtOnce);
  for (std::size_t i = 0; i < kDatagramsAtOnce; ++i) {
    pieces_[i] = {memory_.get() + i * kDatagramBytes, kDatagramBytes};
    headers_[i].msg_hdr.msg_iov = &pieces_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &senders_[i];
    headers_[i].msg_hdr.msg_control = controls_[i].data();
  }
}

const std::vector<DatagramBatch::Datagram>& DatagramBatch::receive(UdpSocket& socket,
                                                                   std::uint64_t* dropped) {
  datagrams_.clear();
  for (mmsghdr& header : headers_) {
    header.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    header.msg_hdr.msg_controllen = kControlBytes;
  }
  const int got = recvmmsg(socket.fd(), headers_.data(), kDatagramsAtOnce, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < got; ++i) {
    msghdr& header = headers_[static_cast<std::size_t>(i)].msg_hdr;
    datagrams_.push_back(
        {{static_cast<const char*>(header.msg_iov->iov_base), headers_[static_cast<std::size_t>(i)].msg_len},
         static_cast<const sockaddr_storage*>(header.msg_name),
         (header.msg_flags & MSG_TRUNC) != 0});
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
      std::uint32_t total = 0;
      std::memcpy(&total, CMSG_DATA(c), sizeof total);
      *dropped += total - socket.kernel_drops_;  // modulo 2^32, as the kernel counts
      socket.kernel_drops_ = total;
    }
  }
  return datagrams_;
}

std::string describe_sender(const sockaddr_storage& sender) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (sender.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(sender).sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), port_of(sender));
  }
  inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(sender).sin_addr, text.data(), text.size());
  return fmt::format("{}:{}", text.data(), port_of(sender));
}

}  // namespace spanferry::ingest
