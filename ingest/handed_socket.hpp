// Sockets that a service manager has opened for us: it keeps them while we are restarted, so that nobody who
// connects or sends meanwhile is refused.
#pragma once

#include <cstdint>

#include "ingest/address.hpp"
#include "model/result.hpp"

namespace spanferry::ingest {

enum class Handed : std::uint8_t { http, udp };

// What the socket is bound to; it must be what that door needs: listening TCP, or UDP, over IPv4 or IPv6.
// The descriptor stays the caller's. Errors: configuration.
Result<Address> handed_address(int fd, Handed door);

}  // namespace spanferry::ingest
