// What ingest is told while a destination takes nothing of some route, and no more of it can be parked.
#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "spool/spool_impl.hpp"

namespace spanferry::spool {

void SpoolImpl::hold_routes(const std::string& destination, std::vector<Route> routes) {
  const std::scoped_lock lock(held_mutex_);
  if (routes.empty()) {
    held_routes_.erase(destination);
  } else {
    held_routes_[destination] = std::move(routes);
  }
  any_route_held_ = !held_routes_.empty();
}

std::optional<Error> SpoolImpl::refusal_of(const std::vector<Entry>& entries) {
  const std::scoped_lock lock(held_mutex_);
  for (const auto& [destination, routes] : held_routes_) {
    const bool meets = std::ranges::any_of(entries, [&routes](const Entry& entry) {
      return std::ranges::find(routes, entry.header.route) != routes.end();
    });
    if (meets)
      return Error{
          ErrorKind::held,
          fmt::format("destination {} takes nothing of this experiment now, and what waits for it has "
                      "reached parked_max_bytes {}",
                      destination, bytes_text(parked_max_bytes_))};
  }
  return std::nullopt;
}

}  // namespace spanferry::spool
