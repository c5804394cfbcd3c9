// Experiment ids that we give out while the far side cannot tell its own: 19 digits from 9200000000000000000
// up, below 2^63. Ingest mints them, both ends translate them for ever. What an id stands for is kept in the
// spool under provisional_key(id), as "DESTINATION\nNAME".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spanferry {

inline constexpr std::uint64_t kFirstProvisionalId = 9'200'000'000'000'000'000ULL;

bool is_provisional_id(std::string_view experiment_id);
// The same for the same destination and name. `attempt` leads past an id that is taken by another name.
std::string provisional_id(std::string_view destination, std::string_view name, unsigned attempt = 0);

struct Provisional {
  std::string destination, name;  // of the experiment
};
std::string provisional_key(std::string_view experiment_id);
std::string encode(const Provisional& provisional);
std::optional<Provisional> parse_provisional(std::string_view value);

}  // namespace spanferry
