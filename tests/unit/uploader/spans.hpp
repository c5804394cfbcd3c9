// OTLP requests for tests: spans with the ids and names asked for, and the ids read back.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <protozero/pbf_writer.hpp>
#include <zlib.h>

#include "model/ids.hpp"
#include "model/otlp_span.hpp"
#include "spool/spool.hpp"

namespace spanferry::testing {

struct TestSpan {
  TraceId trace;
  SpanId span;
  std::string name = "a span";
  std::string text{};  // an attribute of that name, unless empty
};

using SpanKey = std::pair<TraceId, SpanId>;

inline TraceId trace_number(std::uint32_t n) {
  TraceId id;
  id.bytes[0] = 1;
  for (int i = 0; i < 4; ++i)
    id.bytes[static_cast<std::size_t>(15 - i)] = static_cast<std::uint8_t>(n >> (8 * i));
  return id;
}
inline SpanId span_number(std::uint32_t n) {
  SpanId id;
  id.bytes[0] = 1;
  for (int i = 0; i < 4; ++i)
    id.bytes[static_cast<std::size_t>(7 - i)] = static_cast<std::uint8_t>(n >> (8 * i));
  return id;
}

inline std::string request_of(const std::vector<TestSpan>& spans) {
  std::string scope_bytes;
  protozero::pbf_writer scope(scope_bytes);
  for (const TestSpan& span : spans) {
    protozero::pbf_writer writer(scope, 2);
    writer.add_bytes(1, span.trace.raw().data(), 16);
    writer.add_bytes(2, span.span.raw().data(), 8);
    writer.add_string(5, span.name);
    writer.add_fixed64(7, 1'000'000'000);
    writer.add_fixed64(8, 2'000'000'000);
    if (span.text.empty()) continue;
    protozero::pbf_writer attribute(writer, 9);
    attribute.add_string(1, "text");
    protozero::pbf_writer(attribute, 2).add_string(1, span.text);
  }
  std::string resource_bytes;
  protozero::pbf_writer(resource_bytes).add_message(2, scope_bytes);
  std::string out;
  protozero::pbf_writer(out).add_message(1, resource_bytes);
  return out;
}

inline spool::Entry entry_of(const std::vector<TestSpan>& spans, Route route = {}) {
  spool::Entry entry;
  entry.payload = std::make_shared<const std::string>(request_of(spans));
  entry.header.span_count = static_cast<std::uint32_t>(spans.size());
  entry.header.route = std::move(route);
  entry.header.received_ns = 1'000;
  std::set<TraceId> traces;
  for (const TestSpan& span : spans)
    if (traces.insert(span.trace).second) entry.traces.push_back(span.trace);
  return entry;
}

inline std::string gunzip(const std::string& bytes) {
  z_stream stream{};
  inflateInit2(&stream, 15 + 16);
  std::string out(1 << 24, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  inflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

// The spans of a request: key and name, with repetitions.
inline std::vector<std::pair<SpanKey, std::string>> spans_in(const std::string& request) {
  std::vector<std::pair<SpanKey, std::string>> out;
  const auto decoded = decode_traces_request(request);
  if (!decoded) return out;
  for (const Span& span : decoded->spans)
    out.push_back({{span.trace_id, span.span_id}, std::string(span.name)});
  return out;
}

}  // namespace spanferry::testing
