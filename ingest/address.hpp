// "ADDRESS:PORT" as the operator writes it, and what may be listened on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ingest/settings.hpp"
#include "model/result.hpp"

namespace spanferry::ingest {

struct Address {
  std::string host;  // an IP literal, without brackets
  std::uint16_t port = 0;
  bool is_v6 = false;
  bool is_loopback = false;
};

// "127.0.0.1:4318", "[::1]:4318", "localhost:4318" (then 127.0.0.1). Errors: configuration.
Result<Address> parse_address(std::string_view text);
std::string to_string(const Address& address);

// A machine without IPv6 has no [::1] and no [::]: then, and only if another address of the list is bound,
// that one is left out with a warning.
bool may_be_missing(const Address& address);

// Wider than loopback needs a token or leave. `key` is the setting the address stands in. Errors:
// configuration.
Result<> check_reach(const Address& address, std::string_view key, const Settings& settings);

// Loopback as the kernel sees it, IPv4-mapped addresses included.
bool is_loopback_literal(std::string_view host);
bool is_ip_literal(std::string_view host);

}  // namespace spanferry::ingest
