// Memory for bodies: a counted budget. Whoever wants more than is left waits a moment, then is told to come
// back.
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

// Bytes taken from the budget, given back at the end of its life. Lives on the ingest thread, but for grow.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Inflight& budget, std::uint64_t bytes) : budget_(&budget), bytes_(bytes) {}
  Reservation(Reservation&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Reservation();
  // Takes more, if it is there. The worker may call it while the owner waits for the worker.
  bool grow(std::uint64_t bytes);
  // Takes over what `other` holds of the same budget.
  void join(Reservation other) { bytes_ += std::exchange(other.bytes_, 0); }
  [[nodiscard]] bool holds() const { return budget_ != nullptr; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  Inflight* budget_ = nullptr;
  std::uint64_t bytes_ = 0;
};

class Inflight {
 public:
  // `used` is the gauge shown in status.
  Inflight(boost::asio::io_context& io, std::uint64_t limit, std::atomic<std::uint64_t>& used)
      : io_(io), limit_(limit), used_(used) {}

  [[nodiscard]] std::uint64_t limit() const { return limit_; }

  // Any thread.
  bool try_take(std::uint64_t bytes) {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    while (bytes <= limit_ && used <= limit_ - bytes) {
      if (used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  // Waits its turn for at most kAdmissionWait; without `holds()` there was no room. Ingest thread.
  Task<Reservation> take(std::uint64_t bytes) {
    if (waiters_.empty() && try_take(bytes)) co_return Reservation(*this, bytes);
    if (bytes > limit_ || waiters_.size() >= kMaxAdmissionWaiters) co_return Reservation();
    Waiter waiter{bytes, Timer(io_, kAdmissionWait), false};
    waiters_.push_back(&waiter);
    co_await waiter.timer.async_wait(kAwait);
    if (waiter.served) co_return Reservation(*this, bytes);
    std::erase(waiters_, &waiter);
    serve_waiters();  // it may have stood before smaller ones
    co_return Reservation();
  }

  // Ingest thread.
  void give_back(std::uint64_t bytes) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    serve_waiters();
  }

 private:
  struct Waiter {
    std::uint64_t bytes;
    Timer timer;
    bool served;
  };

  void serve_waiters() {
    while (!waiters_.empty() && try_take(waiters_.front()->bytes)) {
      Waiter* waiter = waiters_.front();
      waiters_.pop_front();
      waiter->served = true;
      waiter->timer.cancel();
    }
  }

  boost::asio::io_context& io_;
  const std::uint64_t limit_;
  std::atomic<std::uint64_t>& used_;
  std::deque<Waiter*> waiters_;
};

inline Reservation::~Reservation() {
  if (budget_ != nullptr) budget_->give_back(bytes_);
}

inline bool Reservation::grow(std::uint64_t bytes) {
  if (budget_ == nullptr || !budget_->try_take(bytes)) return false;
  bytes_ += bytes;
  return true;
}

}  // namespace spanferry::ingest
