// The routes of one destination that cannot go now, though the destination works: an experiment that is
// forbidden to us, one that is missing and may not be created. Each is probed alone, with backoff, by sending
// something of it; what else comes of it waits in the parked space.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "model/record.hpp"
#include "net/backoff.hpp"

namespace spanferry::uploader {

// How an operator knows a route: "experiment 7", "experiment /Shared/x", "the destination's own experiment".
std::string describe(const Route& route);

// Lives on the deliver thread.
class HeldRoutes {
 public:
  HeldRoutes(boost::asio::io_context& io, std::string destination, net::BackoffSettings backoff);

  [[nodiscard]] bool any() const { return !held_.empty(); }
  [[nodiscard]] bool holds(const Route& route) const { return held_.contains(key_of(route)); }
  // Whether something of that route may be sent: it is not held, or it is the time for a probe and nobody
  // makes it; then this is the probe, and ends in refused, accepted or left.
  bool enter(const Route& route);

  [[nodiscard]] bool probe_is_due() const;  // of any
  [[nodiscard]] bool probe_is_due(const Route& route) const;

  // The far side does not take it now: held from now on, or for longer.
  void refused(const Route& route, std::string reason);
  // It does: everything of it may go.
  void accepted(const Route& route);
  // The probe came to nothing; another one may be made at once.
  void left(const Route& route);

  // Called when a route was released and when a probe is due. Several listeners, told in order.
  void listen(std::function<void()> changed) { listeners_.push_back(std::move(changed)); }
  // Called when routes were held or released, with all that are held.
  struct Held {
    Route route;
    std::string reason;
    std::int64_t since_ns = 0;  // unix
  };
  void report_to(std::function<void(const std::vector<Held>&)> report) { report_ = std::move(report); }
  // How often a route was released: whoever has seen fewer looks at the parked space again.
  [[nodiscard]] std::uint64_t releases() const { return releases_; }
  void stop() { timer_.cancel(), stopped_ = true; }

 private:
  using Clock = std::chrono::steady_clock;
  struct State {
    Held held;
    net::Backoff backoff;
    Clock::time_point probe_at;
    bool probing = false;
  };
  static std::string key_of(const Route& route);
  void arm();
  void tell() const;
  void report() const;

  const std::string destination_;
  const net::BackoffSettings backoff_;
  boost::asio::steady_timer timer_;
  std::map<std::string, State> held_;
  std::vector<std::function<void()>> listeners_;
  std::function<void(const std::vector<Held>&)> report_;
  std::uint64_t releases_ = 0;
  bool stopped_ = false;
};

}  // namespace spanferry::uploader
