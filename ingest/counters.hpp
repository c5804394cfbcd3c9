// What the doors count. Relaxed atomics: written by the doors' threads, read by any.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/status.hpp"

namespace spanferry::ingest {

// Why something was turned away: requests, unless the name says spans, connections or datagrams.
enum class Rejection : std::uint8_t {
  malformed,          // 400
  unauthorized,       // 401
  forbidden,          // 403: Host, Origin, or a path not for that peer
  not_found,          // 404
  method,             // 405
  timeout,            // 408
  length_required,    // 411
  too_large,          // 413
  unsupported_media,  // 415
  header_too_large,   // 431
  full,               // 503: the spool does not take any more
  route_held,         // 503: nor of this experiment, which a destination refuses
  overloaded,         // 503: too much in flight
  internal,           // 500
  loop,               // 508
  refused_spans,      // spans, by partial success
  http2_preface,      // connections that spoke HTTP/2
  connections,        // connections beyond max_connections, and idle ones closed to make room for them
  disconnected,       // closed by the peer in the middle of a request
  udp_malformed,      // datagrams
  udp_refused_spans,  // spans
  udp_kernel_dropped,
  udp_queue_full,
  udp_spool_full,
  udp_route_held,
};
inline constexpr std::size_t kRejections = 25;
std::string_view name(Rejection rejection);

class Counters {
 public:
  using Clock = std::chrono::steady_clock;

  Counters() { touch(); }

  void reject(Rejection r, std::uint64_t n = 1) {
    rejected_[static_cast<std::size_t>(r)].fetch_add(n, std::memory_order_relaxed);
  }
  void accept_http(std::uint64_t spans) {
    requests.fetch_add(1, std::memory_order_relaxed);
    http_spans.fetch_add(spans, std::memory_order_relaxed);
  }
  void accept_udp(std::uint64_t spans) { udp_spans.fetch_add(spans, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t rejected(Rejection r) const {
    return rejected_[static_cast<std::size_t>(r)].load(std::memory_order_relaxed);
  }
  // Somebody has sent something.
  void touch(Clock::time_point now = Clock::now()) {
    last_activity_ns_.store(std::chrono::nanoseconds(now.time_since_epoch()).count(),
                            std::memory_order_relaxed);
  }
  [[nodiscard]] std::chrono::milliseconds quiet_for() const {
    const std::chrono::nanoseconds last(last_activity_ns_.load(std::memory_order_relaxed));
    const auto quiet = Clock::now().time_since_epoch() - last;
    return std::max(std::chrono::milliseconds(0),
                    std::chrono::duration_cast<std::chrono::milliseconds>(quiet));
  }
  [[nodiscard]] IngestStatus snapshot() const;

  std::atomic<std::uint64_t> requests{0}, http_spans{0}, udp_spans{0};
  std::atomic<std::uint64_t> connections{0};     // open now
  std::atomic<std::uint64_t> inflight_bytes{0};  // of bodies, now
  std::atomic<std::uint64_t> udp_receive_buffer_bytes{0};
  std::atomic<bool> draining{false};

 private:
  std::array<std::atomic<std::uint64_t>, kRejections> rejected_{};
  std::atomic<std::int64_t> last_activity_ns_{0};
};

}  // namespace spanferry::ingest
