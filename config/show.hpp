// The configuration as operators read it: what is in force and why, and the reference of all keys.
#pragma once

#include <string>

#include "config/settings.hpp"

namespace spanferry::config {

// One line a key: KEY VALUE ORIGIN, in columns; then the notices.
std::string to_text(const Loaded& loaded);
// {"file": ..., "values": [{"key", "value", "origin"}], "notices": [...]}
std::string to_json(const Loaded& loaded);
// docs/configuration.md.
std::string reference();

}  // namespace spanferry::config
