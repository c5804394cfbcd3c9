// Bounded concurrency: as many holders at once as there are slots, the others in the order they came. There
// may be more or fewer slots later; nobody loses one. One thread.
#pragma once

#include <cstddef>
#include <list>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace spanferry::uploader {

class Slots;

// One slot, given back when it dies. Empty: there was none to be had, we are stopping or were cancelled.
class Slot {
 public:
  Slot() = default;
  explicit Slot(Slots* slots) : slots_(slots) {}
  Slot(Slot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
  Slot& operator=(Slot&& other) noexcept {
    std::swap(slots_, other.slots_);
    return *this;
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot();
  explicit operator bool() const { return slots_ != nullptr; }

 private:
  Slots* slots_ = nullptr;
};

// Outlives its slots and those who wait for one.
class Slots {
 public:
  Slots(boost::asio::io_context& io, std::size_t count) : io_(io), count_(count) {}

  boost::asio::awaitable<Slot> acquire() {
    if (stopped_) co_return Slot{};
    if (in_use_ < count_ && waiting_.empty()) {
      ++in_use_;
      co_return Slot{this};
    }
    Waiter waiter{boost::asio::steady_timer(io_, boost::asio::steady_timer::time_point::max())};
    const auto place = waiting_.insert(waiting_.end(), &waiter);
    co_await waiter.timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (waiter.granted) co_return Slot{this};
    waiting_.erase(place);
    co_return Slot{};
  }

  // Everybody who waits gets nothing; slots that are held come back as they end.
  void stop() {
    stopped_ = true;
    for (Waiter* waiter : waiting_) waiter->timer.cancel();
  }
  void set_count(std::size_t count) {
    count_ = count;
    hand_out();
  }
  [[nodiscard]] std::size_t in_use() const { return in_use_; }

 private:
  friend class Slot;
  struct Waiter {
    boost::asio::steady_timer timer;
    bool granted = false;
  };

  void give_back() {
    --in_use_;
    hand_out();
  }
  // Handed over directly, so that nobody who comes now can take it.
  void hand_out() {
    while (in_use_ < count_ && !waiting_.empty() && !stopped_) {
      Waiter* next = waiting_.front();
      waiting_.pop_front();
      ++in_use_;
      next->granted = true;
      next->timer.cancel();
    }
  }

  boost::asio::io_context& io_;
  std::size_t count_;
  std::size_t in_use_ = 0;
  bool stopped_ = false;
  std::list<Waiter*> waiting_;
};

inline Slot::~Slot() {
  if (slots_ != nullptr) slots_->give_back();
}

}  // namespace spanferry::uploader
