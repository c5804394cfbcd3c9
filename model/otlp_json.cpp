#include "model/otlp_json.hpp"

#include <algorithm>
#include <memory>
#include <new>

#include <protozero/pbf_writer.hpp>
#include <simdjson.h>

#include "model/ids.hpp"
#include "model/otlp_fields.hpp"
#include "model/otlp_json_text.hpp"
#include "model/otlp_json_transcoder.hpp"
#include "model/otlp_scan.hpp"
#include "model/utf8.hpp"

namespace spanferry {
namespace {

using otlp::JsonTranscoder;
using protozero::pbf_writer;
using simdjson::dom::element;

constexpr std::size_t kParserMinBytes = std::size_t{16} << 10;
constexpr std::uint64_t kRepairedGrowth = 3;  // U+FFFD in place of a byte that is no UTF-8
constexpr std::string_view kUnknownService = "unknown_service";

// The parser of this thread for as long as its document is looked at.
// It holds about 14 times the largest text it has seen: beyond a small one it is given back at once.
class BorrowedParser {
 public:
  BorrowedParser() {
    if (!parser()) parser() = std::make_unique<simdjson::dom::parser>();
  }
  ~BorrowedParser() {
    if (parser()->capacity() > kSmallJsonBytes) parser().reset();
  }
  BorrowedParser(const BorrowedParser&) = delete;
  BorrowedParser& operator=(const BorrowedParser&) = delete;

  simdjson::simdjson_result<element> parse(std::string_view text) {
    if (parser()->capacity() < text.size() || parser()->capacity() == 0) {
      const auto error = parser()->allocate(std::max(text.size(), kParserMinBytes), kMaxNestingDepth);
      if (error != simdjson::SUCCESS) return error;
    }
    return parser()->parse(text.data(), text.size());
  }

 private:
  static std::unique_ptr<simdjson::dom::parser>& parser() {
    thread_local std::unique_ptr<simdjson::dom::parser> mine;
    return mine;
  }
};

std::string describe(simdjson::error_code error) {
  if (error == simdjson::DEPTH_ERROR) {
    return "not OTLP/JSON: nested deeper than " + std::to_string(kMaxNestingDepth);
  }
  return std::string("not JSON: ") + simdjson::error_message(error);
}

// Mends, parses and hands the document to `write`(element, transcoder, writer), which appends to the result.
template <class Write>
Result<std::string> transcode(std::string_view json, bool* repaired, Write write) {
  bool mended = false;
  try {
    std::string storage;
    const std::string_view text = otlp::mend_json_text(json, storage, mended);
    BorrowedParser parser;
    element document;
    if (const auto error = parser.parse(text).get(document); error != simdjson::SUCCESS) {
      if (error == simdjson::MEMALLOC) {
        return fail(ErrorKind::unavailable, "no memory to parse a JSON body of this size now");
      }
      return fail(ErrorKind::invalid_input, describe(error));
    }
    std::string out;
    // The wire form is never longer than its JSON. For a large one that much address space costs nothing,
    // while growing would copy.
    out.reserve(text.size() < kSmallJsonBytes ? text.size() / 2 : text.size());
    JsonTranscoder transcoder(out);
    pbf_writer writer(out);
    write(document, transcoder, writer);
    if (repaired != nullptr) *repaired = mended;
    return out;
  } catch (const otlp::Refused& e) {
    return fail(ErrorKind::invalid_input, std::string("not OTLP/JSON: ") + e.what());
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::unavailable, "no memory to parse a JSON body of this size now");
  }
}

void write_unknown_service(JsonTranscoder& transcoder, pbf_writer& resource) {
  transcoder.nested(resource, otlp::resource::kAttributes, [&](pbf_writer& attribute) {
    attribute.add_string(otlp::key_value::kKey, "service.name");
    transcoder.nested(attribute, otlp::key_value::kValue, [](pbf_writer& value) {
      value.add_string(otlp::any_value::kString, kUnknownService.data(), kUnknownService.size());
    });
  });
}

void write_lone_span(element document, JsonTranscoder& transcoder, pbf_writer& span, std::uint64_t now_ns) {
  const otlp::SpanSeen seen = transcoder.span(document, span);
  if (!seen.trace_id) span.add_bytes(otlp::span::kTraceId, std::string(mint_trace_id().raw()));
  if (!seen.span_id) span.add_bytes(otlp::span::kSpanId, std::string(mint_span_id().raw()));
  // A sender with a clock ahead of ours, or that gives one of the times only, still gets start <= end.
  if (seen.start_ns == 0) {
    span.add_fixed64(otlp::span::kStart, seen.end_ns == 0 ? now_ns : std::min(seen.end_ns, now_ns));
  }
  if (seen.end_ns == 0) span.add_fixed64(otlp::span::kEnd, std::max(seen.start_ns, now_ns));
}

bool any_field(const simdjson::dom::object& object, bool (*is_field)(std::string_view)) {
  return std::any_of(object.begin(), object.end(), [&](const auto& pair) { return is_field(pair.key); });
}

}  // namespace

std::uint64_t json_memory_bytes(std::string_view json) {
  // In simdjson: 4 bytes for each structural character and the start of each value; on its tape 8 for a
  // bracket, a string or a word, 16 for a number; a string again with its length and an end.
  std::uint64_t opening = 0, closing = 0, separators = 0, strings = 0;
  const auto at = [json](std::size_t i) { return i < json.size() ? json[i] : '\0'; };
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    const bool opens = c == '[' || c == '{';
    const bool separates = c == ',' || c == ':';
    opening += opens;
    closing += c == ']' || c == '}';
    separators += separates;
    const char next = at(i + 1), after = at(i + 2);
    strings += (opens || separates) && (next == '"' || (next == ' ' && after == '"'));
  }
  const std::uint64_t values = opening + separators + 1;  // at most, brackets among them
  const std::uint64_t others = values - std::min(values, strings);
  const std::uint64_t structurals = opening + closing + separators + values;
  const bool is_valid = is_valid_utf8(json);
  const std::uint64_t text = is_valid ? json.size() : json.size() * kRepairedGrowth;
  const std::uint64_t mended = is_valid && json.find("\\u") == std::string_view::npos ? 0 : text;
  return json.size() + mended + 4 * structurals + 8 * (opening + closing + strings) + 16 * others +
         (text + 5 * strings) + text;
}

Result<std::string> traces_request_from_json(std::string_view json, bool* repaired) {
  return transcode(json, repaired, [](element document, JsonTranscoder& transcoder, pbf_writer& out) {
    transcoder.request(document, out);
  });
}

Result<std::string> traces_request_from_datagram_json(std::string_view json, std::uint64_t now_ns,
                                                      bool* repaired) {
  return transcode(json, repaired, [now_ns](element document, JsonTranscoder& transcoder, pbf_writer& out) {
    simdjson::dom::object object;
    if (document.get(object) != simdjson::SUCCESS) throw otlp::Refused("must be an object");
    if (any_field(object, otlp::is_request_field)) return transcoder.request(document, out);
    if (!any_field(object, otlp::is_span_field)) {
      throw otlp::Refused("neither a request (resourceSpans) nor a span (name, startTimeUnixNano, ...)");
    }
    transcoder.nested(out, otlp::request::kResourceSpans, [&](pbf_writer& group) {
      transcoder.nested(group, otlp::resource_spans::kResource,
                        [&](pbf_writer& resource) { write_unknown_service(transcoder, resource); });
      transcoder.nested(group, otlp::resource_spans::kScopeSpans, [&](pbf_writer& scope) {
        transcoder.nested(scope, otlp::scope_spans::kSpans,
                          [&](pbf_writer& span) { write_lone_span(document, transcoder, span, now_ns); });
      });
    });
  });
}

}  // namespace spanferry
