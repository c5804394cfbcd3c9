// What a destination refused for good, set aside with the reason. Never holds credentials or signed URLs.
#pragma once

#include <cstdint>
#include <string>

#include "model/ids.hpp"
#include "model/record.hpp"
#include "model/result.hpp"

namespace spanferry::spool {

inline constexpr std::size_t kMaxResponseExcerptBytes = 1024;

struct DeadLetter {
  std::string destination;
  Seq seq = 0;  // of the record it came in
  TraceId trace_id;
  SpanId span_id;  // zero: the trace as a whole
  std::uint32_t spans = 1;
  RecordKind kind = RecordKind::spans;
  Route route;
  std::int64_t received_ns = 0, refused_ns = 0;
  int status = 0;                // HTTP status; 0: refused before it was sent
  std::string reason;            // a sentence
  std::string response_excerpt;  // at most kMaxResponseExcerptBytes
  std::string payload;           // what can be sent again: an OTLP request with just these spans

  // "DESTINATION/SEQ/TRACE/SPAN", the same after a crash and a second refusal: such a letter replaces itself.
  [[nodiscard]] std::string id() const;
};

std::string encode(const DeadLetter& letter);
Result<DeadLetter> decode_dead_letter(std::string_view bytes);

}  // namespace spanferry::spool
