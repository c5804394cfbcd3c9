// The gate of a destination in trouble: it closes for everybody, and after the backoff one request goes ahead
// and probes. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/backoff.hpp"
#include "uploader/waits.hpp"

namespace spanferry::uploader {

class Gate {
 public:
  Gate(boost::asio::io_context& io, net::BackoffSettings backoff);

  // Which opening of the gate a request went through: of eight requests that fail in one outage, one counts.
  struct Pass {
    std::uint64_t opening = 0;
    bool probe = false;
  };

  // Waits until the gate is open, or this caller is the probe. Nothing: stopped. Each pass ends in one of
  // succeeded, failed and left.
  boost::asio::awaitable<std::optional<Pass>> enter();
  // Waits until it is open, or a probe is due that nobody makes. False: stopped.
  boost::asio::awaitable<bool> until_open();

  // The destination works: open. True if this pass decides about that.
  bool succeeded(Pass pass);
  // It does not: closed for the next backoff, at least as long as it asked for. False: this pass is of an
  // earlier opening, or another's failure has closed the gate already.
  bool failed(Pass pass, std::optional<std::chrono::milliseconds> asked = std::nullopt);
  // The same with a wait of a caller's own.
  bool failed_for(Pass pass, std::chrono::milliseconds wait);
  // Nothing was learnt.
  void left(Pass pass);

  void stop();
  [[nodiscard]] bool open() const { return !closed_; }
  // Whether the gate has neither closed nor opened since this pass was had.
  [[nodiscard]] bool is_current(Pass pass) const { return pass.opening == opening_; }
  // When it is closed: when the probe goes.
  [[nodiscard]] std::chrono::steady_clock::time_point probe_at() const { return probe_at_; }

 private:
  void close_for(std::chrono::milliseconds wait);

  Event changed_;
  boost::asio::steady_timer reopen_;
  net::Backoff backoff_;
  bool closed_ = false;
  bool probing_ = false;
  std::uint64_t opening_ = 1;
  std::chrono::steady_clock::time_point probe_at_;
};

// Uniform in [0, 1), for backoff.
double uniform_random();

}  // namespace spanferry::uploader
