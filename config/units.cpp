#include "config/units.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace spanferry::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 9> kSizeUnits{{{"TiB", 1ULL << 40},
                                          {"GiB", 1ULL << 30},
                                          {"MiB", 1ULL << 20},
                                          {"KiB", 1ULL << 10},
                                          {"TB", 1'000'000'000'000},
                                          {"GB", 1'000'000'000},
                                          {"MB", 1'000'000},
                                          {"KB", 1'000},
                                          {"B", 1}}};
constexpr std::array<Unit, 5> kDurationUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1'000}, {"ms", 1}}};

struct Quantity {
  std::uint64_t number = 0;
  std::string_view unit;
};

// Digits, then what follows them, without the white space between.
bool split(std::string_view text, Quantity& quantity) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantity.number);
  if (error != std::errc{}) return false;
  quantity.unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (quantity.unit.starts_with(' ')) quantity.unit.remove_prefix(1);
  return true;
}

template <std::size_t N>
const Unit* find(const std::array<Unit, N>& units, std::string_view unit) {
  for (const auto& u : units)
    if (u.name == unit) return &u;
  return nullptr;
}

template <std::size_t N>
std::string shortest(const std::array<Unit, N>& units, std::uint64_t amount) {
  if (amount == 0) return "0";
  for (const auto& u : units)
    if (amount % u.factor == 0) return fmt::format("{}{}", amount / u.factor, u.name);
  std::unreachable();
}

}  // namespace

Parsed<std::uint64_t> parse_size(std::string_view text) {
  Quantity q;
  if (!split(text, q))
    return std::unexpected(fmt::format("'{}' is not a size; write it like 64MiB, 1GB or 0", text));
  std::uint64_t factor = 1;
  if (!q.unit.empty()) {
    const Unit* unit = find(kSizeUnits, q.unit);
    if (unit == nullptr)
      return std::unexpected(
          fmt::format("'{}' is not a unit of size; use B, KB, MB, GB, TB, KiB, MiB, GiB or TiB", q.unit));
    factor = unit->factor;
  }
  if (q.number > std::numeric_limits<std::uint64_t>::max() / factor)
    return std::unexpected(fmt::format("'{}' is too large", text));
  return q.number * factor;
}

Parsed<std::chrono::milliseconds> parse_duration(std::string_view text) {
  Quantity q;
  if (!split(text, q))
    return std::unexpected(
        fmt::format("'{}' is not a duration; write it like 50ms, 2s, 10min, 1h or 30d", text));
  if (q.number == 0 && q.unit.empty()) return std::chrono::milliseconds{0};
  const Unit* unit = find(kDurationUnits, q.unit);
  if (unit == nullptr)
    return std::unexpected(q.unit.empty()
                               ? fmt::format("'{}' needs a unit: ms, s, min, h or d", text)
                               : fmt::format("'{}' is not a unit of time; use ms, s, min, h or d", q.unit));
  if (q.number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit->factor)
    return std::unexpected(fmt::format("'{}' is too large", text));
  return std::chrono::milliseconds(static_cast<std::int64_t>(q.number * unit->factor));
}

Parsed<bool> parse_boolean(std::string_view text) {
  for (const auto* yes : {"true", "yes", "on", "1"})
    if (text == yes) return true;
  for (const auto* no : {"false", "no", "off", "0"})
    if (text == no) return false;
  return std::unexpected(fmt::format("'{}' is neither true nor false", text));
}

Parsed<std::uint64_t> parse_count(std::string_view text) {
  Quantity q;
  if (!split(text, q) || !q.unit.empty())
    return std::unexpected(fmt::format("'{}' is not a whole number", text));
  return q.number;
}

std::string format_size(std::uint64_t bytes) {
  // Decimal units only where binary ones do not fit: 1GB, but 64MiB.
  if (bytes % 1024 != 0 && bytes % 1000 == 0) return shortest(kSizeUnits, bytes);
  for (std::size_t i = 0; i < 4 && bytes != 0; ++i)
    if (bytes % kSizeUnits[i].factor == 0)
      return fmt::format("{}{}", bytes / kSizeUnits[i].factor, kSizeUnits[i].name);
  return bytes == 0 ? "0" : fmt::format("{}B", bytes);
}

std::string format_duration(std::chrono::milliseconds duration) {
  return shortest(kDurationUnits, static_cast<std::uint64_t>(duration.count()));
}

}  // namespace spanferry::config
