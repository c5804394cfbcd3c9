#include "uploader/held_routes.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "model/clock.hpp"
#include "uploader/gate.hpp"

namespace spanferry::uploader {

std::string describe(const Route& route) {
  if (!route.table.empty()) return "table " + route.table;
  if (!route.experiment_id.empty()) return "experiment " + route.experiment_id;
  if (!route.experiment_name.empty()) return "experiment " + route.experiment_name;
  return "the destination's own experiment";
}

HeldRoutes::HeldRoutes(boost::asio::io_context& io, std::string destination, net::BackoffSettings backoff)
    : destination_(std::move(destination)), backoff_(backoff), timer_(io) {}

// Names and ids hold no zero byte.
std::string HeldRoutes::key_of(const Route& route) {
  return route.experiment_id + '\0' + route.experiment_name + '\0' + route.table;
}

bool HeldRoutes::enter(const Route& route) {
  const auto found = held_.find(key_of(route));
  if (found == held_.end()) return true;
  State& state = found->second;
  if (state.probing || Clock::now() < state.probe_at) return false;
  state.probing = true;
  return true;
}

bool HeldRoutes::probe_is_due() const {
  return std::ranges::any_of(held_, [now = Clock::now()](const auto& entry) {
    return !entry.second.probing && now >= entry.second.probe_at;
  });
}

bool HeldRoutes::probe_is_due(const Route& route) const {
  const auto found = held_.find(key_of(route));
  return found != held_.end() && !found->second.probing && Clock::now() >= found->second.probe_at;
}

void HeldRoutes::refused(const Route& route, std::string reason) {
  const auto [found, is_new] = held_.try_emplace(
      key_of(route), State{{route, {}, unix_now_ns()}, net::Backoff(backoff_, uniform_random), {}, false});
  State& state = found->second;
  // Several of that route may have been under way when it was refused first.
  if (!is_new && !state.probing) return;
  state.held.reason = std::move(reason);
  state.probing = false;
  state.probe_at = Clock::now() + state.backoff.next();
  arm();
  if (!is_new) return;
  spdlog::warn("destination {}: {} is held: {}; its spans wait, the others go on", destination_,
               describe(route), state.held.reason);
  report();
}

void HeldRoutes::accepted(const Route& route) {
  const auto found = held_.find(key_of(route));
  if (found == held_.end()) return;
  spdlog::info("destination {}: {} is taken again after {:.1f} s", destination_, describe(route),
               static_cast<double>(unix_now_ns() - found->second.held.since_ns) / 1e9);
  held_.erase(found);
  ++releases_;
  report();
  tell();
}

void HeldRoutes::left(const Route& route) {
  const auto found = held_.find(key_of(route));
  if (found == held_.end() || !found->second.probing) return;
  found->second.probing = false;
  arm();
}

void HeldRoutes::arm() {
  auto next = Clock::time_point::max();
  for (const auto& [key, state] : held_)
    if (!state.probing) next = std::min(next, state.probe_at);
  if (next == Clock::time_point::max() || stopped_) return;
  timer_.expires_at(next);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tell();
  });
}

void HeldRoutes::tell() const {
  for (const auto& changed : listeners_) changed();
}

void HeldRoutes::report() const {
  if (!report_) return;
  std::vector<Held> all;
  for (const auto& [key, state] : held_) all.push_back(state.held);
  report_(all);
}

}  // namespace spanferry::uploader
