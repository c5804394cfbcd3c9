// Budgets that fit into the memory there is: a daemon that would be killed for its memory does not start.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "config/load.hpp"
#include "daemon/memory_limit.hpp"
#include "model/result.hpp"

namespace spanferry::daemon {

// Lowers what has its default until all budgets fit below the limit; what an operator has set stays. Returns
// a sentence about what was lowered, empty where nothing had to be. `loaded` shows the values in force.
// Errors: configuration (the least that is needed is more than the limit).
Result<std::string> fit_memory(config::Loaded& loaded, const MemoryLimit& limit);

// The configuration, within the memory that this process may take; a notice says what was lowered for it.
// Errors: those of config::load, and of fit_memory.
std::expected<config::Loaded, std::vector<std::string>> load_within_memory(const config::Input& input);

}  // namespace spanferry::daemon
