// A track of whole traces: walks the log from its cursor, lets the assembler say which trace is due, gathers
// it by the index, hands it to a delivery and settles what became of it. How a trace is delivered is the
// delivery's business.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "uploader/trace_edits.hpp"
#include "uploader/trace_gather.hpp"
#include "uploader/trace_outcome.hpp"
#include "uploader/track.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread; several deliveries are under way at once.
class TraceDelivery {
 public:
  virtual ~TraceDelivery() = default;
  // Cheap: whether delivering can begin. False: asked again a little later.
  [[nodiscard]] virtual bool ready(const TraceId& trace, Seq first) const = 0;
  // The same, of all that is here of it.
  [[nodiscard]] virtual bool all_ready(const GatheredTrace& /*trace*/) const { return true; }
  virtual boost::asio::awaitable<TraceOutcome> deliver(GatheredTrace& trace) = 0;
  // Edits a trace that is where only this delivery knows. Nothing: MLflow's V3 paths reach it.
  // `may_be_done`: by the process before.
  virtual boost::asio::awaitable<std::optional<EditOutcome>> apply(const GatheredTrace& /*trace*/,
                                                                   const mlflow::TraceEdit& /*edit*/,
                                                                   bool /*may_be_done*/) {
    co_return std::nullopt;
  }
  // Why what went there of the trace cannot be deleted. Nothing: it can, or nothing went.
  [[nodiscard]] virtual std::optional<std::string> cannot_remove(const TraceId& /*trace*/) {
    return std::nullopt;
  }
  virtual void stop() = 0;  // ends its own waits
};

// Traces are gathered while the payloads of those under way take less than this, so that it is exceeded by
// one trace at most.
inline std::uint64_t gathered_bytes_limit(const DestinationSettings& settings) {
  return std::min<std::uint64_t>(32ULL << 20, 8 * settings.max_batch_bytes);
}

// `cursor_name`: whose progress it is. `spans_are_ours`: refused spans are set aside; else they are only
// logged, because another track of the destination has the spans. Null when the spool has no such cursor.
struct TraceTrackSettings {
  std::string cursor_name;
  bool spans_are_ours = true;
};
std::unique_ptr<Track> make_trace_track(TrackContext context, TraceTrackSettings settings,
                                        std::unique_ptr<TraceDelivery> delivery);

}  // namespace spanferry::uploader
