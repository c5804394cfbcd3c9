// OTLP/JSON: requests transcoded to the wire form once, at ingest; answers written in either encoding.
// Source: OTLP specification 1.x, "JSON Protobuf Encoding"; google.rpc.Status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/result.hpp"

namespace spanferry {

enum class OtlpEncoding : std::uint8_t { protobuf, json };

// Transcodes an ExportTraceServiceRequest. Rules: field names in lowerCamelCase or snake_case; 64-bit
// integers as number, string or `1.0`; enums as number or name; ids hex (of any length: the scan refuses
// wrong ones span by span); bytes base64; doubles also as "NaN", "Infinity", "-Infinity"; null is absent;
// unknown fields are skipped but checked; depth at most kMaxNestingDepth; a BOM is skipped; invalid UTF-8 and
// lone surrogates become U+FFFD (then *repaired). Errors: invalid_input, with the path of the field
// ("resourceSpans[0].scopeSpans[0].spans[3].startTimeUnixNano: ..."); unavailable (no memory now).
Result<std::string> traces_request_from_json(std::string_view json, bool* repaired);

// What transcoding this text takes at most, the text and the result included: between three and eighteen
// times its size, by how dense its elements are. (Parsers of small texts are kept, and need no more than is
// kept: up to kSmallJsonBytes it is not worth asking.)
std::uint64_t json_memory_bytes(std::string_view json);
inline constexpr std::size_t kSmallJsonBytes = std::size_t{256} << 10;

// The same for the JSON forms a datagram may have: a request, or one span object, which gets the resource
// attribute service.name=unknown_service, minted ids where `traceId` / `spanId` are absent, and `now_ns` for
// absent times.
Result<std::string> traces_request_from_datagram_json(std::string_view json, std::uint64_t now_ns,
                                                      bool* repaired);

// ExportTraceServiceResponse; with rejected_spans = 0 and no message it is the empty message ("" or "{}").
std::string export_response(OtlpEncoding encoding, std::uint64_t rejected_spans, std::string_view message);

// google.rpc.Status. Codes: 3 INVALID_ARGUMENT, 5 NOT_FOUND, 8 RESOURCE_EXHAUSTED, 14 UNAVAILABLE, ...
std::string rpc_status(OtlpEncoding encoding, std::int32_t code, std::string_view message);

}  // namespace spanferry
