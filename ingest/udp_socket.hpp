// A UDP socket from which datagrams are taken many at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "ingest/address.hpp"
#include "ingest/limits.hpp"
#include "model/result.hpp"

namespace spanferry::ingest {

class UdpSocket {
 public:
  // Errors: unavailable (no such address on this machine), io; with the address in the sentence.
  static Result<UdpSocket> bind(Address address, std::uint64_t receive_buffer_bytes);
  // A bound socket that somebody else opened; ours from now on.
  static UdpSocket adopt(int fd, Address address, std::uint64_t receive_buffer_bytes);
  UdpSocket(UdpSocket&& other) noexcept;
  UdpSocket& operator=(UdpSocket&&) = delete;
  ~UdpSocket();

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const Address& address() const { return address_; }  // with the port in fact bound
  // What the kernel gave us, as it counts (its own overhead included).
  [[nodiscard]] std::uint64_t receive_buffer_bytes() const { return receive_buffer_bytes_; }

 private:
  UdpSocket(int fd, Address address) : fd_(fd), address_(std::move(address)) {}
  void prepare(std::uint64_t receive_buffer_bytes);  // 0: the buffer stays as it is

  int fd_;
  Address address_;
  std::uint64_t receive_buffer_bytes_ = 0;
  friend class DatagramBatch;
  std::uint32_t kernel_drops_ = 0;  // of this socket so far, as the kernel counts: it wraps
};

// Room for kDatagramsAtOnce datagrams; its pages are touched only as they come.
class DatagramBatch {
 public:
  DatagramBatch();

  struct Datagram {
    std::string_view bytes;
    const sockaddr_storage* sender;
    bool truncated;
  };
  // What is there now, without waiting; the views live until the next call. *dropped grows by what the kernel
  // had no room for.
  const std::vector<Datagram>& receive(UdpSocket& socket, std::uint64_t* dropped);

 private:
  static constexpr std::size_t kControlBytes = 64;

  std::unique_ptr<char[]> memory_;
  std::array<mmsghdr, kDatagramsAtOnce> headers_{};
  std::array<iovec, kDatagramsAtOnce> pieces_{};
  std::array<sockaddr_storage, kDatagramsAtOnce> senders_{};
  alignas(cmsghdr) std::array<std::array<char, kControlBytes>, kDatagramsAtOnce> controls_{};
  std::vector<Datagram> datagrams_;
};

// "127.0.0.1:5000", for a log line.
std::string describe_sender(const sockaddr_storage& sender);

}  // namespace spanferry::ingest
