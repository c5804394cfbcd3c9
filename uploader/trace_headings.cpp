#include "uploader/trace_headings.hpp"

#include <unordered_map>

#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "model/otlp_fields.hpp"

namespace spanferry::uploader {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;
constexpr std::uint32_t kParentIsRemote = 0x300;  // trace.proto, SpanFlags: known, and remote

struct Seen {
  std::optional<TraceId> trace;
  bool has_parent = false;
  bool parent_is_remote = false;
  bool ended = false;
};

Seen look_at(pbf_reader span) {
  Seen seen;
  while (span.next()) {
    switch (span.tag_and_type()) {
      case tag_and_type(otlp::span::kTraceId, kBytes): {
        const auto view = span.get_view();
        seen.trace = TraceId::from_raw({view.data(), view.size()});
        break;
      }
      case tag_and_type(otlp::span::kParentSpanId, kBytes):
        seen.has_parent = span.get_view().size() == SpanId::kSize;
        break;
      case tag_and_type(otlp::span::kEnd, pbf_wire_type::fixed64):
        seen.ended = span.get_fixed64() != 0;
        break;
      case tag_and_type(otlp::span::kFlags, pbf_wire_type::fixed32):
        seen.parent_is_remote = (span.get_fixed32() & kParentIsRemote) == kParentIsRemote;
        break;
      default:
        span.skip();
    }
  }
  return seen;
}

// Calls `use` with each message of field `tag`.
template <class F>
void each(pbf_reader reader, protozero::pbf_tag_type tag, const F& use) {
  while (reader.next()) {
    if (reader.tag_and_type() == tag_and_type(tag, kBytes)) {
      use(reader.get_message());
    } else {
      reader.skip();
    }
  }
}

}  // namespace

Result<std::vector<TraceHeading>> trace_headings(std::string_view request) {
  std::vector<TraceHeading> found;
  std::unordered_map<TraceId, std::size_t> place;
  const auto note = [&](const pbf_reader& span) {
    const Seen seen = look_at(span);
    if (!seen.trace) return;
    std::size_t at = found.size() - 1;
    if (found.empty() || found.back().trace != *seen.trace) {
      at = place.emplace(*seen.trace, found.size()).first->second;
      if (at == found.size()) found.push_back({*seen.trace, 0, false});
    }
    ++found[at].spans;
    found[at].top_ended |= seen.ended && (!seen.has_parent || seen.parent_is_remote);
  };
  try {
    each({request.data(), request.size()}, otlp::request::kResourceSpans, [&](const pbf_reader& resource) {
      each(resource, otlp::resource_spans::kScopeSpans,
           [&](const pbf_reader& scope) { each(scope, otlp::scope_spans::kSpans, note); });
    });
  } catch (const protozero::exception& e) {
    return fail(ErrorKind::invalid_input, std::string("not an OTLP traces request: ") + e.what());
  }
  return found;
}

bool sender_tells_itself(const RecordHeader& header) {
  return header.kind == RecordKind::trace_data || header.client.starts_with("mlflow-python-client/");
}

Result<std::vector<TraceHeading>> trace_headings(const RecordHeader& header, std::string_view payload) {
  std::vector<TraceHeading> found;
  if (header.kind != RecordKind::spans) {
    if (header.only_trace)
      found.push_back({*header.only_trace, header.span_count, header.kind != RecordKind::trace_data});
    return found;
  }
  auto of_spans = trace_headings(payload);
  if (of_spans && sender_tells_itself(header))
    for (TraceHeading& heading : *of_spans) heading.top_ended = false;
  return of_spans;
}

}  // namespace spanferry::uploader
