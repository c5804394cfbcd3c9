// One pass over the wire bytes of an OTLP ExportTraceServiceRequest: is it sound, what is in it, and what
// must be repaired or refused before a far side chokes on it. Builds no object tree. Source:
// opentelemetry-proto 1.x, collector/trace/v1/trace_service.proto and trace/v1/trace.proto.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.hpp"
#include "model/result.hpp"

namespace spanferry {

inline constexpr int kMaxNestingDepth = 100;  // of AnyValue in AnyValue, and of JSON

inline constexpr std::size_t kMaxResourceGroups = 65'536;  // ResourceSpans with spans, a request

// One ResourceSpans of a request, of those that hold spans.
struct ResourceGroup {
  std::string_view
      field;  // the whole field, tag and length included: such fields laid end to end are a request
  std::string_view
      resource;  // the bytes of its Resource message (of the last one, should there be several); may be empty
  std::uint32_t spans = 0;
  std::vector<TraceId> traces;  // distinct, in order of appearance
};

struct Scan {
  std::uint32_t spans = 0;          // kept
  std::uint32_t refused_spans = 0;  // left out of `rewritten`
  std::string refused_reason;       // of the first one refused, a sentence for partial_success.error_message
  bool repaired = false;            // something was mended; refused spans alone do not count
  // The body to keep instead of the one scanned; null when that one is sound as it is.
  std::shared_ptr<const std::string> rewritten;
  std::vector<ResourceGroup> groups;  // views into `rewritten`, else into the body scanned
  std::vector<TraceId> traces;        // distinct over all groups
};

// Refused one by one: spans whose trace id is not 16 bytes or all zero, whose span id is not 8 bytes or all
// zero; scopes and resources that held no others are left out with them. Repaired (and the request rewritten
// once): invalid UTF-8 in any string becomes U+FFFD; a parent id that is neither empty nor 8 bytes, or 8 zero
// bytes, is removed; a link whose ids are neither empty nor of the right length is removed; times past 2^63-1
// are clamped to it; an end before the start (0 among them) becomes the start. A repaired span is marked by a
// bool attribute `spanferry.repaired`. Fields we do not know are kept. What was rewritten is sound: scanned
// again, it stays as it is. Errors: invalid_input (no such message; a known field of the wrong wire type;
// nested deeper than kMaxNestingDepth; more than kMaxResourceGroups).
Result<Scan> scan_traces_request(std::string_view body);

// The string value of attribute `key` in the bytes of a Resource message; nothing if absent or not a string.
std::optional<std::string_view> resource_string_attribute(std::string_view resource, std::string_view key);

// The request with its spans written anew: `write` gets the bytes of one and writes what is to stand there
// into the empty `out`, or returns false to leave it out; resources and scopes left empty go too. What it
// throws goes through, but for protozero::exception. `request` must have passed scan_traces_request. Returns
// an empty string when nothing is kept.
using SpanWriter = std::function<bool(std::string_view span, std::string& out)>;
std::string map_traces_request(std::string_view request, const SpanWriter& write);

// The request without the spans for which `keep` is false; resources and scopes left empty are left out.
// `request` must have passed scan_traces_request. Returns an empty string when nothing is kept.
std::string filter_traces_request(std::string_view request,
                                  const std::function<bool(const TraceId&, const SpanId&)>& keep);

}  // namespace spanferry
