// One destination from what was said about it: every value checked, what is missing named, what contradicts
// itself refused.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/raw.hpp"
#include "config/settings.hpp"

namespace spanferry::config {

// Nothing when there were problems (all of them are told). Appends to `shown` and `notices`.
std::optional<uploader::DestinationSettings> build_destination(const RawDestination& raw, Problems& problems,
                                                               std::vector<Shown>& shown,
                                                               std::vector<std::string>& notices);

// The items of `destinations` in a file.
std::vector<RawDestination> read_destinations(const Node& list, const std::string& file, Problems& problems);

// The `local` destination that stands alone when nothing is configured.
uploader::DestinationSettings local_destination();

}  // namespace spanferry::config
