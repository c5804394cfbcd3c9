// How other threads give something back to the ingest thread: many results, one wake-up.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>

#include "ingest/asio_types.hpp"

namespace spanferry::ingest {

// A commit group ends for many requests at once: they are resumed by one task on the io_context.
class Mailbox {
 public:
  using Letter = std::move_only_function<void()>;

  explicit Mailbox(boost::asio::io_context& io) : io_(io) {}

  // Any thread. `letter` runs on the ingest thread.
  void post(Letter letter) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = letters_.empty();
      letters_.push_back(std::move(letter));
    }
    if (first) boost::asio::post(io_, [this] { deliver(); });
  }

 private:
  void deliver() {
    std::vector<Letter> letters;
    {
      const std::lock_guard lock(mutex_);
      letters.swap(letters_);
    }
    for (Letter& letter : letters) letter();
  }

  boost::asio::io_context& io_;
  std::mutex mutex_;
  std::vector<Letter> letters_;
};

// Suspends the caller, a coroutine of the ingest thread, until the function that `start` is given has been
// called (on any thread, exactly once), and resumes it there with the value.
template <class T, class Start>
Task<T> wait_for(Mailbox& mailbox, Start start) {
  constexpr boost::asio::use_awaitable_t<Executor> kToken{};
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<Executor>&, void(T)>(
      [](auto handler, Mailbox* box, Start begin) {
        begin([handler = std::move(handler), box](T value) mutable {
          box->post([handler = std::move(handler), value = std::move(value)]() mutable {
            std::move(handler)(std::move(value));
          });
        });
      },
      kToken, &mailbox, std::move(start));
}

}  // namespace spanferry::ingest
