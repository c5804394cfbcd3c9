#include "model/provisional_id.hpp"

#include <charconv>

#include <fmt/format.h>

namespace spanferry {
namespace {

constexpr std::uint64_t kRange = (1ULL << 63U) - kFirstProvisionalId;

// FNV-1a, 64 bits, with a last mixing step (splitmix64): the low digits are all that is used.
std::uint64_t hash(std::string_view text, std::uint64_t state) {
  for (const char c : text) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return state;
}

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

}  // namespace

bool is_provisional_id(std::string_view experiment_id) {
  if (experiment_id.size() != 19) return false;
  std::uint64_t id = 0;
  const char* const end = experiment_id.data() + experiment_id.size();
  const auto [at, error] = std::from_chars(experiment_id.data(), end, id);
  return error == std::errc() && at == end && id >= kFirstProvisionalId && id < kFirstProvisionalId + kRange;
}

std::string provisional_id(std::string_view destination, std::string_view name, unsigned attempt) {
  std::uint64_t h = hash(destination, 0xcbf29ce484222325ULL);
  h = hash(name, hash(std::string_view("\n", 1), h));
  return std::to_string(kFirstProvisionalId + mix(h + attempt) % kRange);
}

std::string provisional_key(std::string_view experiment_id) {
  return fmt::format("provisional/{}", experiment_id);
}

std::string encode(const Provisional& provisional) {
  return fmt::format("{}\n{}", provisional.destination, provisional.name);
}

std::optional<Provisional> parse_provisional(std::string_view value) {
  const std::size_t line = value.find('\n');
  if (line == std::string_view::npos) return std::nullopt;
  return Provisional{std::string(value.substr(0, line)), std::string(value.substr(line + 1))};
}

}  // namespace spanferry
