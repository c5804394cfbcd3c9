// What became of a trace that was delivered, or was not.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "model/ids.hpp"
#include "uploader/sender.hpp"

namespace spanferry::uploader {

// Spans that the far side would not take, of a trace that is delivered without them.
struct RefusedSpans {
  SpanId span;              // zero: several, or the answer did not say which
  std::uint64_t spans = 0;  // how many of those gathered, repeated ones included
  Verdict verdict;
  std::string payload;  // as one OTLP request; empty where nobody knows which they are
};

// A record of it that is refused for itself: an edit, a file, the info of its client.
struct RefusedPart {
  std::size_t part = 0;  // of GatheredTrace::parts
  Verdict verdict;
};

struct TraceOutcome {
  enum class Kind : std::uint8_t {
    delivered,
    refused,  // a dead letter with `refusal`
    later,    // not now: ask again in `again_in`
    held,     // not while its route is held, for the reason of `refusal`
    stopped,  // we are shutting down
  };
  Kind kind = Kind::stopped;
  Verdict refusal;
  bool told = false;        // something was sent, to be remembered: a StartTrace that follows carries no tags
  std::uint64_t spans = 0;  // distinct ones of it that are at the far side now
  bool has_root = false;    // the root among them
  std::vector<RefusedSpans> refused_spans{};
  std::vector<RefusedPart> refused_parts{};
  std::vector<std::size_t> early_parts{};  // of GatheredTrace::parts: the trace they are about is not there
  bool info_sent = false;                  // its client's own
  bool tags_told = false;                  // what was edited of them must be edited again
  bool edited = false;
  bool deleted = false;
  std::chrono::milliseconds again_in{50};  // of later

  static TraceOutcome refused(Verdict verdict) {
    return {Kind::refused, std::move(verdict), false, 0, false};
  }
  static TraceOutcome of(Verdict verdict) {
    if (verdict.action == Action::stopped) return {};
    if (verdict.action == Action::held) return {Kind::held, std::move(verdict), false, 0, false};
    return refused(std::move(verdict));
  }
};

}  // namespace spanferry::uploader
