// Texts into typed values, and names into suggestions.
#include <algorithm>
#include <cctype>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "config/keys.hpp"

namespace spanferry::config {
namespace {

std::string check_address(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos)
    return fmt::format("'{}' has no port; write it like 127.0.0.1:4318", address);
  const auto port_text = address.substr(colon + 1);
  unsigned port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc{} || end != port_text.data() + port_text.size() || port > 65535)
    return fmt::format("'{}' is not a port", port_text);
  std::string host(address.substr(0, colon));
  in6_addr parsed{};
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &parsed) == 1) return {};
  } else if (inet_pton(AF_INET, host.c_str(), &parsed) == 1) {
    return {};
  }
  return fmt::format("'{}' is not an IP address; write it like 127.0.0.1:4318 or \"[::1]:4318\"", address);
}

Parsed<Value> parse_addresses(const std::vector<std::string>& texts) {
  std::vector<std::string> addresses;
  for (const auto& text : texts) {
    if (text.empty() || text == "off") continue;
    if (auto problem = check_address(text); !problem.empty()) return std::unexpected(std::move(problem));
    addresses.push_back(text);
  }
  return addresses;
}

bool has_choice(std::string_view choices, std::string_view text) {
  while (true) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == text) return true;
    if (bar == std::string_view::npos) return false;
    choices.remove_prefix(bar + 1);
  }
}

std::string choices_as_text(std::string_view choices) {
  std::string out;
  for (const char c : choices) c == '|' ? out += ", " : out += c;
  return out;
}

template <class T>
Parsed<Value> within(const KeySpec& key, Parsed<T> parsed, std::uint64_t amount,
                     std::string (*format)(std::uint64_t)) {
  if (!parsed) return std::unexpected(parsed.error());
  if (amount < key.minimum) return std::unexpected(fmt::format("must be at least {}", format(key.minimum)));
  if (amount > key.maximum) return std::unexpected(fmt::format("must be at most {}", format(key.maximum)));
  return *parsed;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j - 1] + 1, above + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row.back();
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('.') + 1); }

}  // namespace

Parsed<Value> parse_value(const KeySpec& key, const std::vector<std::string>& texts, bool is_list) {
  if (key.type == Type::addresses) return parse_addresses(texts);
  if (key.type == Type::texts) {
    std::vector<std::string> kept;
    std::ranges::copy_if(texts, std::back_inserter(kept), [](const auto& t) { return !t.empty(); });
    return kept;
  }
  if (is_list || texts.size() != 1) return std::unexpected("takes one value, not a list");
  const auto& text = texts.front();
  switch (key.type) {
    case Type::boolean: {
      const auto parsed = parse_boolean(text);
      if (!parsed) return std::unexpected(parsed.error());
      return *parsed;
    }
    case Type::count: {
      const auto parsed = parse_count(text);
      return within(key, parsed, parsed.value_or(0), [](std::uint64_t n) { return fmt::format("{}", n); });
    }
    case Type::size: {
      const auto parsed = parse_size(text);
      return within(key, parsed, parsed.value_or(0), format_size);
    }
    case Type::duration: {
      const auto parsed = parse_duration(text);
      const auto amount = static_cast<std::uint64_t>(parsed ? parsed->count() : 0);
      return within(key, parsed, amount, [](std::uint64_t n) {
        return format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(n)));
      });
    }
    case Type::choice:
      if (!has_choice(key.choices, text))
        return std::unexpected(fmt::format("'{}' is none of {}", text, choices_as_text(key.choices)));
      return text;
    default:
      if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
        return std::unexpected("must be one line without control characters");
      return text;
  }
}

std::string environment_name(std::string_view path) {
  std::string name = "SPANFERRY_";
  for (const char c : path)
    name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::string_view nearest(std::string_view unknown, std::span<const std::string_view> known) {
  constexpr std::size_t kLongest = 200;  // the distance takes the product of both lengths
  if (unknown.size() > kLongest) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, last_part(unknown).size() / 3) + 1;
  for (const auto candidate : known) {
    // The right name in the wrong place counts as two letters off.
    auto distance = edit_distance(unknown, candidate);
    if (last_part(unknown) == last_part(candidate)) distance = std::min<std::size_t>(distance, 2);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace spanferry::config
