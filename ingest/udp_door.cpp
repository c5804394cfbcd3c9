#include "ingest/udp_door.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ingest/address.hpp"
#include "ingest/datagram.hpp"
#include "ingest/handed_socket.hpp"
#include "ingest/limits.hpp"
#include "ingest/router.hpp"
#include "ingest/udp_socket.hpp"
#include "model/clock.hpp"
#include "model/log_limiter.hpp"

namespace spanferry::ingest {
namespace {

// What outlives the door: the spool may answer after it is closed.
struct Shared {
  std::shared_ptr<Counters> counters;
  std::atomic<std::uint64_t> queued_bytes{0};  // handed to the spool and not yet durable
};

}  // namespace

class UdpDoor::Impl {
 public:
  Impl(const Settings& settings, spool::Spool& spool, std::shared_ptr<Counters> counters,
       const RouteTable& routes)
      : settings_(settings), spool_(spool), routes_(routes), shared_(std::make_shared<Shared>()) {
    shared_->counters = std::move(counters);
  }
  ~Impl() {
    stop();
    if (wake_ >= 0) close(wake_);
  }

  Result<> bind() {
    if (auto bound = settings_.handed.udp.empty() ? bind_addresses() : adopt(settings_.handed.udp); !bound)
      return bound;
    if (sockets_.empty()) return {};
    tell_buffers();
    wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_ < 0) return fail(ErrorKind::io, fmt::format("listen.udp: eventfd: {}", std::strerror(errno)));
    return {};
  }

  void start() {
    if (sockets_.empty()) return;
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "udp");
      run();
    });
  }

  void stop() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    if (write(wake_, &one, sizeof one) != sizeof one)
      spdlog::error("cannot wake the udp thread: {}", std::strerror(errno));
    thread_.join();
    sockets_.clear();
  }

  [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  Result<> adopt(const std::vector<int>& sockets) {
    for (const int fd : sockets) {
      auto address = handed_address(fd, Handed::udp);
      if (!address) return std::unexpected(std::move(address.error()));
      if (auto reach = check_reach(*address, "the socket unit", settings_); !reach) return reach;
      keep(UdpSocket::adopt(fd, std::move(*address), settings_.udp_receive_buffer_bytes));
    }
    return {};
  }

  Result<> bind_addresses() {
    std::vector<std::string> missing;
    for (const std::string& text : settings_.udp) {
      if (text.empty()) continue;
      auto address = parse_address(text);
      if (!address) return std::unexpected(address.error().in("listen.udp"));
      if (auto reach = check_reach(*address, "listen.udp", settings_); !reach) return reach;
      auto socket = UdpSocket::bind(*address, settings_.udp_receive_buffer_bytes);
      if (!socket) {
        if (!may_be_missing(*address) || socket.error().kind != ErrorKind::unavailable)
          return std::unexpected(std::move(socket.error()));
        missing.push_back(socket.error().sentence);
        continue;
      }
      keep(std::move(*socket));
    }
    if (sockets_.empty()) return missing.empty() ? Result<>() : fail(ErrorKind::io, missing.front());
    for (const std::string& sentence : missing) spdlog::warn("{}; going on without it", sentence);
    return {};
  }

  void keep(UdpSocket socket) {
    addresses_.push_back(to_string(socket.address()));
    sockets_.push_back(std::move(socket));
  }

  void tell_buffers() {
    std::uint64_t smallest = UINT64_MAX;
    for (const UdpSocket& socket : sockets_) smallest = std::min(smallest, socket.receive_buffer_bytes());
    shared_->counters->udp_receive_buffer_bytes = smallest;
    if (smallest < settings_.udp_receive_buffer_bytes) {
      spdlog::info(
          "the kernel gave the UDP sockets a receive buffer of {} bytes and not {}: bursts beyond it are "
          "lost; "
          "net.core.rmem_max raises it",
          smallest, settings_.udp_receive_buffer_bytes);
    }
  }

  void run() {
    std::vector<pollfd> waits;
    waits.push_back({wake_, POLLIN, 0});
    for (const UdpSocket& socket : sockets_) waits.push_back({socket.fd(), POLLIN, 0});
    for (bool stopping = false; !stopping;) {
      if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) {
        spdlog::error("the udp thread ends: poll: {}", std::strerror(errno));
        return;
      }
      stopping = (waits[0].revents & POLLIN) != 0;
      for (std::size_t i = 0; i < sockets_.size(); ++i) {
        if (stopping || waits[i + 1].revents != 0)
          take(sockets_[i], stopping ? kBatchesAtStop : kBatchesInTurn);
      }
    }
  }

  void take(UdpSocket& socket, int batches) {
    for (; batches > 0; --batches) {
      std::uint64_t dropped = 0;
      const auto& datagrams = batch_.receive(socket, &dropped);
      if (dropped > 0) shared_->counters->reject(Rejection::udp_kernel_dropped, dropped);
      if (datagrams.empty()) return;
      shared_->counters->touch();
      hand_on(datagrams);
      if (datagrams.size() < kDatagramsAtOnce) return;
    }
  }

  void hand_on(const std::vector<DatagramBatch::Datagram>& datagrams) {
    Counters& counters = *shared_->counters;
    std::vector<spool::Entry> entries;
    std::uint64_t bytes = 0, spans = 0, kept = 0;
    const std::int64_t now = unix_now_ns();
    for (const auto& datagram : datagrams) {
      auto decoded = datagram.truncated ? fail(ErrorKind::too_large, "the datagram is larger than 64 KiB")
                                        : decode_datagram(datagram.bytes, static_cast<std::uint64_t>(now));
      if (!decoded) {
        counters.reject(Rejection::udp_malformed);
        if (const auto left_out = malformed_log_.allow()) {
          spdlog::warn("a datagram of {} bytes from {} was dropped: {} ({} more since the last line)",
                       datagram.bytes.size(), describe_sender(*datagram.sender), decoded.error().sentence,
                       *left_out);
        }
        continue;
      }
      if (decoded->scan.refused_spans > 0)
        counters.reject(Rejection::udp_refused_spans, decoded->scan.refused_spans);
      auto parts = entries_of(*decoded, {Source::udp, now, {}, {}}, *routes_.rules());
      if (parts.empty()) continue;
      ++kept;
      spans += decoded->scan.spans;
      for (auto& part : parts) {
        bytes += part.payload->size();
        entries.push_back(std::move(part));
      }
    }
    if (!entries.empty()) append(std::move(entries), bytes, spans, kept);
  }

  void append(std::vector<spool::Entry> entries, std::uint64_t bytes, std::uint64_t spans,
              std::uint64_t datagrams) {
    // Only this thread adds, so what is looked at here can only shrink meanwhile.
    if (shared_->queued_bytes.load() + bytes > settings_.udp_queue_bytes) {
      shared_->counters->reject(Rejection::udp_queue_full, datagrams);
      return;
    }
    shared_->queued_bytes += bytes;
    spool_.append(
        std::move(entries), [shared = shared_, bytes, spans, datagrams](const Result<spool::Appended>& done) {
          shared->queued_bytes -= bytes;
          if (done) {
            shared->counters->accept_udp(spans);
          } else {
            shared->counters->reject(
                done.error().kind == ErrorKind::held ? Rejection::udp_route_held : Rejection::udp_spool_full,
                datagrams);
          }
        });
  }

  static constexpr int kBatchesInTurn = 8;  // of one socket before the others have theirs
  static constexpr int kBatchesAtStop = 256;

  const Settings& settings_;
  spool::Spool& spool_;
  const RouteTable& routes_;
  std::shared_ptr<Shared> shared_;
  DatagramBatch batch_;
  LogLimiter malformed_log_;
  std::vector<UdpSocket> sockets_;
  std::vector<std::string> addresses_;
  int wake_ = -1;
  std::thread thread_;
};

UdpDoor::UdpDoor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UdpDoor::~UdpDoor() = default;

Result<std::unique_ptr<UdpDoor>> UdpDoor::open(const Settings& settings, spool::Spool& spool,
                                               std::shared_ptr<Counters> counters, const RouteTable& routes) {
  auto impl = std::make_unique<Impl>(settings, spool, std::move(counters), routes);
  if (auto bound = impl->bind(); !bound) return std::unexpected(std::move(bound.error()));
  impl->start();
  return std::unique_ptr<UdpDoor>(new UdpDoor(std::move(impl)));
}

const std::vector<std::string>& UdpDoor::addresses() const { return impl_->addresses(); }
void UdpDoor::stop() { impl_->stop(); }

}  // namespace spanferry::ingest
