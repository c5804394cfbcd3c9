#include "uploader/pace.hpp"

#include <algorithm>
#include <limits>

namespace spanferry::uploader {
namespace asio = boost::asio;
using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

Calls calls_of(Surface surface, const net::HttpRequest& request) {
  if (surface == Surface::storage) return Calls::storage;
  if (surface == Surface::otlp || surface == Surface::mlflow_otlp) return Calls::spans;
  if (request.method != "POST") return Calls::other;
  const std::string_view url = request.url;
  if (url.ends_with("/api/2.0/otel/v1/traces")) return Calls::spans;
  const bool is_info =
      url.find("/api/4.0/mlflow/traces/") != std::string_view::npos && url.ends_with("/info");
  return is_info || url.ends_with("/api/3.0/mlflow/traces") ? Calls::create : Calls::other;
}

Pace::Pace(asio::io_context& io, std::size_t concurrency, net::BackoffSettings backoff)
    : limit_(concurrency),
      lanes_{Lane(io, backoff), Lane(io, backoff), Lane(io, backoff), Lane(io, backoff)},
      slots_(io, limit_.limit()),
      storage_(io, std::numeric_limits<std::size_t>::max()),
      sleeps_(io) {}

void Pace::stop() {
  for (Lane& one : lanes_) one.gate.stop();
  slots_.stop();
  storage_.stop();
  sleeps_.stop();
}

asio::awaitable<std::optional<Pace::Turn>> Pace::turn(Calls calls) {
  Turn turn{.calls = calls, .slot = {}, .sent = {}, .pass = {}};
  if (calls == Calls::storage) {
    turn.slot = co_await storage_.acquire();
    if (!turn.slot) co_return std::nullopt;
    turn.sent = limit_.sent(slots_.in_use() + storage_.in_use());
    co_return turn;
  }
  const std::size_t counts = calls == Calls::spans ? 0 : 1;
  waiting_ += counts;
  for (;;) {
    const auto pass = co_await rate_pass(lane(calls));
    if (!pass) break;
    turn.pass = *pass;
    turn.slot = co_await slots_.acquire();
    if (!turn.slot) break;
    // Its kind may have been refused while it waited.
    if (lane(calls).gate.is_current(*pass)) break;
    turn.slot = Slot{};
  }
  waiting_ -= counts;
  look_for_room();
  if (!turn.slot) co_return std::nullopt;
  turn.sent = limit_.sent(slots_.in_use());
  co_return turn;
}

// Past the lane's gate, at the time that its rate allows.
asio::awaitable<std::optional<Gate::Pass>> Pace::rate_pass(Lane& lane) {
  for (;;) {
    auto pass = co_await lane.gate.enter();
    if (!pass) co_return std::nullopt;
    const auto at = lane.rate.reserve(steady_clock::now());
    if (pass->probe) co_return pass;
    const auto wait = ceil<milliseconds>(at - steady_clock::now());
    if (wait > milliseconds::zero() && !co_await sleeps_.sleep(wait)) co_return std::nullopt;
    if (lane.gate.is_current(*pass)) co_return pass;
  }
}

void Pace::ended(const Turn& turn, End end, std::optional<milliseconds> asked) {
  Lane& one = lane(turn.calls);
  const auto now = steady_clock::now();
  switch (end) {
    case End::taken:
      limit_.succeeded(turn.sent);
      one.gate.succeeded(turn.pass);
      one.rate.accepted(now);
      break;
    case End::too_many:
      limit_.overloaded(turn.sent);
      one.gate.left(turn.pass);
      break;
    case End::too_fast:
      limit_.overloaded(turn.sent);
      if (turn.calls != Calls::storage && one.gate.failed(turn.pass, asked))
        one.rate.refused(now, one.gate.probe_at() - now);
      break;
    case End::not_known:
      one.gate.left(turn.pass);
      break;
  }
  slots_.set_count(limit_.limit());
}

bool Pace::has_room() const {
  const bool room = waiting_ < std::max<std::size_t>(1, limit_.limit() / 2);
  had_no_room_ |= !room;
  return room;
}

void Pace::look_for_room() {
  if (!had_no_room_ || !has_room()) return;
  had_no_room_ = false;
  if (when_room_) when_room_();
}

bool Pace::is_held() const {
  return std::ranges::any_of(lanes_, [](const Lane& one) { return !one.gate.open(); });
}

double Pace::rate(Calls calls) const {
  return lanes_[static_cast<std::size_t>(calls)].rate.per_second().value_or(0);
}

}  // namespace spanferry::uploader
