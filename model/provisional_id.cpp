#include "model/provisional_id.hpp"

#include <charconv>

#include <fmt/format.h>

#include "model/hash64.hpp"

namespace spanferry {
namespace {

constexpr std::uint64_t kRange = (1ULL << 63U) - kFirstProvisionalId;

}  // namespace

bool is_provisional_id(std::string_view experiment_id) {
  if (experiment_id.size() != 19) return false;
  std::uint64_t id = 0;
  const char* const end = experiment_id.data() + experiment_id.size();
  const auto [at, error] = std::from_chars(experiment_id.data(), end, id);
  return error == std::errc() && at == end && id >= kFirstProvisionalId && id < kFirstProvisionalId + kRange;
}

std::string provisional_id(std::string_view destination, std::string_view name, unsigned attempt) {
  const std::uint64_t hash = fnv1a(name, fnv1a("\n", fnv1a(destination)));
  // Only the low digits are used.
  return std::to_string(kFirstProvisionalId + mix64(hash + attempt) % kRange);
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
