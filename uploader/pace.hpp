// How fast requests go to one destination: as many at one time as it bears, and of each kind of calls no more
// a second than it takes, once a refusal (429) has shown that there is such a limit. A refusal holds calls of
// its kind alone. Lives on the deliver thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "net/backoff.hpp"
#include "uploader/calls.hpp"
#include "uploader/concurrency_limit.hpp"
#include "uploader/gate.hpp"
#include "uploader/learned_rate.hpp"
#include "uploader/sender.hpp"
#include "uploader/slots.hpp"
#include "uploader/waits.hpp"

namespace spanferry::uploader {

Calls calls_of(Surface surface, const net::HttpRequest& request);

class Pace {
 public:
  // `concurrency`: the most at one time. `backoff`: between refusals that follow each other.
  Pace(boost::asio::io_context& io, std::size_t concurrency, net::BackoffSettings backoff);

  // The right to send one request. Ends in one call of ended(); the request is no longer under way when it
  // dies.
  struct Turn {
    Calls calls = Calls::other;
    Slot slot;
    ConcurrencyLimit::Sent sent;
    Gate::Pass pass;
  };
  enum class End : std::uint8_t {
    taken,      // answered, whatever the answer was
    too_many,   // overloaded, or no answer in time
    too_fast,   // refused for the rate
    not_known,  // nothing was learnt
  };

  // Waits until a request of this kind may go. What goes to a storage waits for nothing: it ends what was
  // begun. Nothing: stopped.
  boost::asio::awaitable<std::optional<Turn>> turn(Calls calls);
  // `asked`: how long the far side wants to be left alone.
  void ended(const Turn& turn, End end, std::optional<std::chrono::milliseconds> asked = std::nullopt);

  // Whether what begins now would find few others waiting; batches of spans do not count, their track has
  // bounds of its own. `when_room` of listen() is called when that changes from no to yes.
  [[nodiscard]] bool has_room() const;
  void listen(std::function<void()> when_room) { when_room_ = std::move(when_room); }

  // A refusal holds some calls now.
  [[nodiscard]] bool is_held() const;
  [[nodiscard]] std::size_t limit() const { return limit_.limit(); }
  // Requests a second; 0: no limit is known.
  [[nodiscard]] double rate(Calls calls) const;

  void stop();

 private:
  struct Lane {
    Lane(boost::asio::io_context& io, net::BackoffSettings backoff) : gate(io, backoff) {}
    Gate gate;
    LearnedRate rate;
  };

  [[nodiscard]] Lane& lane(Calls calls) { return lanes_[static_cast<std::size_t>(calls)]; }
  boost::asio::awaitable<std::optional<Gate::Pass>> rate_pass(Lane& lane);
  void look_for_room();

  ConcurrencyLimit limit_;
  std::array<Lane, kCalls> lanes_;
  Slots slots_;
  Slots storage_;  // as many as there are: only counted
  Sleeps sleeps_;
  std::size_t waiting_ = 0;           // of create and other
  mutable bool had_no_room_ = false;  // somebody was told so
  std::function<void()> when_room_;
};

}  // namespace spanferry::uploader
