// The two ways coroutines of the deliver thread wait for each other and for time. Both end with false when
// they are stopped; after that no wait begins. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace spanferry::uploader {

// "Something has changed, look again": wakes everybody who waits at that moment.
class Event {
 public:
  explicit Event(boost::asio::io_context& io) : timer_(io, boost::asio::steady_timer::time_point::max()) {}

  void notify() { timer_.cancel(); }
  void stop() {
    stopped_ = true;
    timer_.cancel();
  }
  [[nodiscard]] bool stopped() const { return stopped_; }
  // True: look again.
  boost::asio::awaitable<bool> wait();

 private:
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
};

class Sleeps {
 public:
  explicit Sleeps(boost::asio::io_context& io) : io_(io) {}

  // True: the time is over.
  boost::asio::awaitable<bool> sleep(std::chrono::milliseconds time);
  void stop();
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  boost::asio::io_context& io_;
  std::set<boost::asio::steady_timer*> asleep_;
  bool stopped_ = false;
};

}  // namespace spanferry::uploader
