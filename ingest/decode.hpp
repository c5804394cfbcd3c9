// From the body of an OTLP request to the bytes that are kept: inflated, transcoded, scanned once.
#pragma once

#include <string>

#include "ingest/inflate.hpp"
#include "ingest/router.hpp"
#include "model/otlp_json.hpp"
#include "model/result.hpp"

namespace spanferry::ingest {

// Pure; any thread. The returned payload is `body` itself where nothing had to be changed. `max_json_bytes`
// holds for JSON once it is inflated. Errors: those of inflate, traces_request_from_json and
// scan_traces_request.
Result<Decoded> decode_traces(std::string body, Coding coding, OtlpEncoding encoding,
                              const InflateBounds& bounds, std::uint64_t max_json_bytes);

// Scans `body`, which is kept unless the scan rewrote it. Errors: those of scan_traces_request.
Result<Decoded> scan_and_keep(std::string body, bool repaired);

}  // namespace spanferry::ingest
