// Reads dead letters from a store, for the running spool and for a look from outside.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "spool/dead_letter.hpp"
#include "spool/store.hpp"

namespace spanferry::spool {

// Oldest first, at most `limit`; an empty destination means all. Letters that cannot be read are left out.
Result<std::vector<DeadLetter>> read_dead_letters(Store& store, std::string_view destination,
                                                  std::size_t limit);
// By id; nothing if there is none. Errors: damaged, io.
Result<std::optional<DeadLetter>> read_dead_letter(Store& store, std::string_view id);

}  // namespace spanferry::spool
