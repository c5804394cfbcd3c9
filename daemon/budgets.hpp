// What the daemon's memory is the sum of, by name: every large buffer has a bound, and this prints them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/settings.hpp"

namespace spanferry::daemon {

struct Budget {
  std::string name;
  std::uint64_t bytes = 0;
};

std::vector<Budget> memory_budgets(const config::Settings& settings);
std::string budgets_text(const std::vector<Budget>& budgets);
// A list of {"name", "bytes"}.
std::string budgets_json(const std::vector<Budget>& budgets);

}  // namespace spanferry::daemon
