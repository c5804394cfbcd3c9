// From file, environment and flags to settings. Precedence: flag > environment > file > default.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "config/defaults.hpp"
#include "config/raw.hpp"
#include "config/settings.hpp"

namespace spanferry::config {

inline constexpr std::string_view kUsualFile = "/etc/spanferry/spanferry.yaml";

struct Flag {
  std::string key, value;  // "spool.directory"
  std::string given_as;    // "--directory", "--set"
};

struct Input {
  std::optional<std::string> file;  // --config; else $SPANFERRY_CONFIG, else kUsualFile where it is there
  std::vector<Flag> flags;
  Environment environment;
  Machine machine;
};

// All problems at once, one line each: "FILE:LINE:COLUMN: KEY: WHAT (nearest known key: ...)".
std::expected<Loaded, std::vector<std::string>> load(const Input& input);

// The environment of this process.
Environment this_environment();

}  // namespace spanferry::config
