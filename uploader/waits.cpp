#include "uploader/waits.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace spanferry::uploader {
namespace asio = boost::asio;

asio::awaitable<bool> Event::wait() {
  if (stopped_) co_return false;
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return !stopped_;
}

asio::awaitable<bool> Sleeps::sleep(std::chrono::milliseconds time) {
  if (stopped_) co_return false;
  asio::steady_timer timer(io_, time);
  asleep_.insert(&timer);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  asleep_.erase(&timer);
  co_return !stopped_;
}

void Sleeps::stop() {
  stopped_ = true;
  for (asio::steady_timer* timer : asleep_) timer->cancel();
}

}  // namespace spanferry::uploader
