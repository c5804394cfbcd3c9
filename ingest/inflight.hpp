// Memory for bodies: a counted budget. Whoever wants more than is left waits a moment, then is told to come
// back. A quarter of it is for this host alone: slow bodies from elsewhere cannot take all of it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <utility>

#include "ingest/asio_types.hpp"
#include "ingest/limits.hpp"

namespace spanferry::ingest {

class Inflight;

enum class Whence : std::uint8_t { here, elsewhere };

// Bytes taken from the budget, given back at the end of its life. Lives on the ingest thread, but for grow.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Inflight& budget, Whence whence, std::uint64_t bytes)
      : budget_(&budget), whence_(whence), bytes_(bytes) {}
  Reservation(Reservation&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)),
        whence_(other.whence_),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(whence_, other.whence_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Reservation();
  // Takes more, if it is there. The worker may call it while the owner waits for the worker.
  bool grow(std::uint64_t bytes);
  // Takes over what `other` holds of the same budget, for the same side.
  void join(Reservation other) { bytes_ += std::exchange(other.bytes_, 0); }
  [[nodiscard]] bool holds() const { return budget_ != nullptr; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] Whence whence() const { return whence_; }

 private:
  Inflight* budget_ = nullptr;
  Whence whence_ = Whence::here;
  std::uint64_t bytes_ = 0;
};

class Inflight {
 public:
  // `used` is the gauge shown in status.
  Inflight(boost::asio::io_context& io, std::uint64_t limit, std::atomic<std::uint64_t>& used)
      : io_(io), limit_(limit), used_(used) {}

  // The most that one side can hold.
  [[nodiscard]] std::uint64_t limit(Whence whence) const {
    return whence == Whence::here ? limit_ : limit_ - limit_ / 4;
  }

  // Any thread.
  bool try_take(Whence whence, std::uint64_t bytes) {
    if (whence == Whence::here) return add(used_, bytes, limit_);
    if (!add(used_by_elsewhere_, bytes, limit(whence))) return false;
    if (add(used_, bytes, limit_)) return true;
    used_by_elsewhere_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }

  // Waits its turn for at most kAdmissionWait; without `holds()` there was no room. Ingest thread.
  Task<Reservation> take(Whence whence, std::uint64_t bytes) {
    auto& waiters = waiters_of(whence);
    const bool is_next = waiters_here_.empty() && waiters.empty();
    if (is_next && try_take(whence, bytes)) co_return Reservation(*this, whence, bytes);
    if (bytes > limit(whence) || waiters.size() >= kMaxAdmissionWaiters) co_return Reservation();
    Waiter waiter{bytes, Timer(io_, kAdmissionWait), false};
    waiters.push_back(&waiter);
    co_await waiter.timer.async_wait(kAwait);
    if (waiter.served) co_return Reservation(*this, whence, bytes);
    std::erase(waiters, &waiter);
    serve_waiters();  // it may have stood before smaller ones
    co_return Reservation();
  }

  // Ingest thread.
  void give_back(Whence whence, std::uint64_t bytes) {
    if (whence == Whence::elsewhere) used_by_elsewhere_.fetch_sub(bytes, std::memory_order_relaxed);
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    serve_waiters();
  }

 private:
  struct Waiter {
    std::uint64_t bytes;
    Timer timer;
    bool served;
  };
  using Waiters = std::deque<Waiter*>;

  static bool add(std::atomic<std::uint64_t>& sum, std::uint64_t bytes, std::uint64_t limit) {
    std::uint64_t now = sum.load(std::memory_order_relaxed);
    while (bytes <= limit && now <= limit - bytes) {
      if (sum.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  Waiters& waiters_of(Whence whence) { return whence == Whence::here ? waiters_here_ : waiters_elsewhere_; }

  // This host first: it does not wait behind who waits for more than the network's share.
  void serve_waiters() {
    serve(Whence::here);
    if (waiters_here_.empty()) serve(Whence::elsewhere);
  }

  void serve(Whence whence) {
    auto& waiters = waiters_of(whence);
    while (!waiters.empty() && try_take(whence, waiters.front()->bytes)) {
      Waiter* waiter = waiters.front();
      waiters.pop_front();
      waiter->served = true;
      waiter->timer.cancel();
    }
  }

  boost::asio::io_context& io_;
  const std::uint64_t limit_;
  std::atomic<std::uint64_t>& used_;
  std::atomic<std::uint64_t> used_by_elsewhere_{0};
  Waiters waiters_here_, waiters_elsewhere_;
};

inline Reservation::~Reservation() {
  if (budget_ != nullptr) budget_->give_back(whence_, bytes_);
}

inline bool Reservation::grow(std::uint64_t bytes) {
  if (budget_ == nullptr || !budget_->try_take(whence_, bytes)) return false;
  bytes_ += bytes;
  return true;
}

}  // namespace spanferry::ingest
