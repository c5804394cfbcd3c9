// The one table of keys: parsing, suggestions, the names in the environment, `spanferry config` and
// docs/configuration.md all come from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.hpp"
#include "config/units.hpp"

namespace spanferry::config {

enum class Type : std::uint8_t {
  text,
  secret,
  boolean,
  count,
  size,
  duration,
  choice,
  addresses,
  texts,
  map
};

using Value =
    std::variant<std::string, bool, std::uint64_t, std::chrono::milliseconds, std::vector<std::string>>;

struct KeySpec {
  std::string_view path;  // dotted; within an item for keys of a list
  Type type = Type::text;
  std::string_view default_value;  // as it would stand in the file; empty: none, or the machine decides
  std::string_view default_note;   // what is printed where default_value is empty
  std::string_view help;
  std::uint64_t minimum = 0, maximum = UINT64_MAX;  // count, size (bytes) and duration (ms)
  std::string_view choices = {};                    // "a|b|c"
};

// `apply` returns what is wrong, or nothing.
struct Key : KeySpec {
  std::string (*apply)(Settings&, const Value&);
};
struct DestinationKey : KeySpec {
  std::string_view kinds;  // where it has a meaning: "databricks mlflow otlp local"
  std::string (*apply)(uploader::DestinationSettings&, const Value&);
};

std::span<const Key> keys();
std::span<const DestinationKey> destination_keys();
// The keys of `routes[]` and of `context`, which have a shape of their own; for suggestions and the
// reference.
std::span<const KeySpec> route_keys();
std::span<const KeySpec> context_keys();

// The texts are one for a scalar, several for a list. An empty text for a type other than text, secret,
// addresses and texts is an error here: callers treat it as "not said" before.
Parsed<Value> parse_value(const KeySpec& key, const std::vector<std::string>& texts, bool is_list);

// "SPANFERRY_SPOOL_MAX_BYTES" of "spool.max_bytes".
std::string environment_name(std::string_view path);

// The known name nearest to `unknown`, or nothing when none is near. A known path that ends in the unknown
// name is near.
std::string_view nearest(std::string_view unknown, std::span<const std::string_view> known);

}  // namespace spanferry::config
