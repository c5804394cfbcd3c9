#include "uploader/gate.hpp"

#include <random>

namespace spanferry::uploader {
namespace asio = boost::asio;

double uniform_random() {
  thread_local std::mt19937_64 generator(std::random_device{}());
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

Gate::Gate(asio::io_context& io, net::BackoffSettings backoff)
    : changed_(io), reopen_(io), backoff_(backoff, uniform_random) {}

asio::awaitable<std::optional<Gate::Pass>> Gate::enter() {
  for (;;) {
    if (changed_.stopped()) co_return std::nullopt;
    if (!closed_) co_return Pass{opening_, false};
    if (!probing_ && std::chrono::steady_clock::now() >= probe_at_) {
      probing_ = true;
      co_return Pass{opening_, true};
    }
    co_await changed_.wait();
  }
}

asio::awaitable<bool> Gate::until_open() {
  const auto is_shut = [this] {
    return closed_ && (probing_ || std::chrono::steady_clock::now() < probe_at_);
  };
  while (is_shut() && !changed_.stopped()) co_await changed_.wait();
  co_return !changed_.stopped();
}

bool Gate::succeeded(Pass pass) {
  if (pass.opening != opening_) return false;
  backoff_.succeeded();
  if (closed_ && pass.probe) {
    closed_ = probing_ = false;
    ++opening_;
    changed_.notify();
  }
  return true;
}

bool Gate::failed(Pass pass, std::optional<std::chrono::milliseconds> asked) {
  if (pass.opening != opening_) return false;
  close_for(backoff_.next(asked));
  return true;
}

bool Gate::failed_for(Pass pass, std::chrono::milliseconds wait) {
  if (pass.opening != opening_) return false;
  close_for(wait);
  return true;
}

void Gate::left(Pass pass) {
  if (pass.opening != opening_ || !pass.probe) return;
  probing_ = false;
  changed_.notify();
}

void Gate::close_for(std::chrono::milliseconds wait) {
  closed_ = true;
  probing_ = false;
  ++opening_;
  probe_at_ = std::chrono::steady_clock::now() + wait;
  reopen_.expires_at(probe_at_);
  reopen_.async_wait([this](boost::system::error_code ec) {
    if (!ec) changed_.notify();
  });
}

void Gate::stop() {
  changed_.stop();
  reopen_.cancel();
}

}  // namespace spanferry::uploader
