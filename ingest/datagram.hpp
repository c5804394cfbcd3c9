// The forms a datagram may have, see docs/api.md.
#pragma once

#include <cstdint>
#include <string_view>

#include "ingest/router.hpp"
#include "model/result.hpp"

namespace spanferry::ingest {

// One of: an OTLP protobuf request with at least one span; an OTLP/JSON request or one OTLP/JSON span; the
// line
// `{"format":"json","version":1}`, then `T1S` or `T1U` (unsampled: kept too) and base64 of an OTLP request,
// or one of the JSON forms. `now_ns` stands for times that are absent. Pure. Errors: invalid_input.
Result<Decoded> decode_datagram(std::string_view bytes, std::uint64_t now_ns);

}  // namespace spanferry::ingest
