// Sizes, durations and booleans as operators write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace spanferry::config {

// The value, or what is wrong with the text ("is not a size: ...").
template <class T>
using Parsed = std::expected<T, std::string>;

// "0", "4096", "64KiB", "64MiB", "1GB": an integer and a unit (B, KB, MB, GB, TB or KiB, MiB, GiB, TiB).
Parsed<std::uint64_t> parse_size(std::string_view text);
// "0", "50ms", "2s", "10min", "1h", "30d".
Parsed<std::chrono::milliseconds> parse_duration(std::string_view text);
// true/false, yes/no, on/off, 1/0.
Parsed<bool> parse_boolean(std::string_view text);
Parsed<std::uint64_t> parse_count(std::string_view text);

// The shortest text that reads back the same.
std::string format_size(std::uint64_t bytes);
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace spanferry::config
