// A track of whole traces: walks the log from its cursor, lets the assembler say which trace is due, gathers
// it by the index, hands it to a delivery and settles what became of it. How a trace is delivered is the
// delivery's business.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "uploader/trace_gather.hpp"
#include "uploader/track.hpp"

namespace spanferry::uploader {

// Spans that the far side would not take, of a trace that is delivered without them.
struct RefusedSpans {
  SpanId span;              // zero: several, or the answer did not say which
  std::uint64_t spans = 0;  // how many of those gathered, repeated ones included
  Verdict verdict;
  std::string payload;  // as one OTLP request; empty where nobody knows which they are
};

// What became of a trace.
struct TraceOutcome {
  enum class Kind : std::uint8_t {
    delivered,
    refused,  // a dead letter with `refusal`
    later,    // not now: ask again soon
    held,     // not while its route is held, for the reason of `refusal`
    stopped,  // we are shutting down
  };
  Kind kind = Kind::stopped;
  Verdict refusal;
  bool told = false;        // something was sent, to be remembered: a StartTrace that follows carries no tags
  std::uint64_t spans = 0;  // distinct ones of it that are at the far side now
  bool has_root = false;    // the root among them
  std::vector<RefusedSpans> refused_spans{};

  static TraceOutcome refused(Verdict verdict) {
    return {Kind::refused, std::move(verdict), false, 0, false};
  }
  static TraceOutcome of(Verdict verdict) {
    if (verdict.action == Action::stopped) return {};
    if (verdict.action == Action::held) return {Kind::held, std::move(verdict), false, 0, false};
    return refused(std::move(verdict));
  }
};

// Lives on the deliver thread; several deliveries are under way at once.
class TraceDelivery {
 public:
  virtual ~TraceDelivery() = default;
  // Cheap: whether delivering can begin. False: asked again a little later.
  [[nodiscard]] virtual bool ready(const TraceId& trace, Seq first) const = 0;
  virtual boost::asio::awaitable<TraceOutcome> deliver(GatheredTrace& trace) = 0;
  virtual void stop() = 0;  // ends its own waits
};

// `cursor_name`: whose progress it is. `writes_dead_letters`: refused traces are set aside; else they are
// only logged, because another track of the destination has the spans. Null when the spool has no such
// cursor.
struct TraceTrackSettings {
  std::string cursor_name;
  bool writes_dead_letters = true;
};
std::unique_ptr<Track> make_trace_track(TrackContext context, TraceTrackSettings settings,
                                        std::unique_ptr<TraceDelivery> delivery);

}  // namespace spanferry::uploader
