// Small wrappers over the system's sockets for the bench programs.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/http_text.hpp"
#include "model/result.hpp"

namespace spanferry::bench {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// "127.0.0.1:4318"; invalid_input for anything else.
inline Result<sockaddr_in> ipv4(const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  const std::size_t colon = address.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : whole_number(address.substr(colon + 1));
  if (!port || *port > 65535 || ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1) {
    return fail(ErrorKind::invalid_input, address + " is not an IPv4 address with a port");
  }
  to.sin_port = htons(static_cast<std::uint16_t>(*port));
  return to;
}

inline Error system_error(const std::string& what) {
  return {.kind = ErrorKind::io, .sentence = what + ": " + std::strerror(errno)};
}

}  // namespace spanferry::bench
