// What must hold for every request the scan lets in, whatever door it came in by.
#pragma once

#include <string>
#include <string_view>

#include "model/otlp_scan.hpp"
#include "model/otlp_span.hpp"
#include "tests/fuzz/require.hpp"

namespace spanferry::fuzz {

// Walks everything a reader of spans may touch.
inline void walk(const DecodedRequest& decoded) {
  std::string json;
  for (const Resource& resource : decoded.resources) {
    for (const Attribute& attribute : resource.attributes) append_json(json, attribute.value);
  }
  for (const Span& span : decoded.spans) {
    require(span.resource < decoded.resources.size(), "a span's resource is there");
    for (const Attribute& attribute : span.attributes) append_json(json, attribute.value);
    for (const SpanEvent& event : span.events) {
      for (const Attribute& attribute : event.attributes) append_json(json, attribute.value);
    }
    for (const SpanLink& link : span.links) {
      for (const Attribute& attribute : link.attributes) append_json(json, attribute.value);
    }
  }
}

inline void check_scan(const Scan& scan, std::string_view body) {
  const std::string_view kept = scan.rewritten ? std::string_view(*scan.rewritten) : body;
  require(scan.rewritten != nullptr || (scan.refused_spans == 0 && !scan.repaired),
          "what is not sound is rewritten");
  const auto again = scan_traces_request(kept);
  require(again.has_value() && again->rewritten == nullptr, "what was let in is sound");
  require(again->spans == scan.spans && again->traces == scan.traces, "a second scan counts the same");

  const auto decoded = decode_traces_request(kept);
  require(decoded.has_value() && decoded->spans.size() == scan.spans, "decoding finds as many spans");
  for (const Span& span : decoded->spans) {
    require(!span.trace_id.is_zero() && !span.span_id.is_zero(), "every span has its ids");
    require(span.start_ns <= span.end_ns && span.end_ns >> 63 == 0, "every span has sound times");
  }
  walk(*decoded);

  const auto all = filter_traces_request(kept, [](const TraceId&, const SpanId&) { return true; });
  const auto filtered = scan_traces_request(all);
  require(filtered.has_value() && filtered->rewritten == nullptr && filtered->spans == scan.spans,
          "a filter that keeps all keeps all");

  std::string groups;
  for (const ResourceGroup& group : scan.groups) groups += group.field;
  const auto regrouped = scan_traces_request(groups);
  require(regrouped.has_value() && regrouped->rewritten == nullptr && regrouped->spans == scan.spans,
          "the groups laid end to end are the request");
}

}  // namespace spanferry::fuzz
