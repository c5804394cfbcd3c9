// Delivers batches to one OTLP endpoint and settles what became of every span: delivered, or dead after the
// batch was split down to what the far side refuses. Of one refused span its neighbours never learn.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "uploader/otlp_batch.hpp"
#include "uploader/otlp_reader.hpp"
#include "uploader/track.hpp"
#include "uploader/waits.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread. Several deliveries may be under way at once.
class OtlpDelivery {
 public:
  OtlpDelivery(const TrackContext& context, spool::Cursor& cursor);

  // Returns when all of the batch is settled, or when we are stopping (what is not settled is sent again by
  // the next process).
  boost::asio::awaitable<void> deliver(OtlpBatch batch);
  void stop() { sleeps_.stop(); }

 private:
  // Where a batch goes: the experiment may turn out to be gone while it is delivered.
  struct Target {
    Route route;
    std::string experiment_id;  // empty: the endpoint wants none
  };
  struct TraceSpans {
    TraceId trace;
    std::vector<SpanId> spans;  // with repetitions, as the record has them
  };
  // How the spans of one trace of one record left.
  struct TraceOutcome {
    SpanCounts counts;
    std::vector<spool::DeadLetter> dead;
  };

  // False: stopped.
  boost::asio::awaitable<bool> deliver_items(Target& target, std::span<const Item> items);
  boost::asio::awaitable<bool> isolate(Target& target, const Item& item, Verdict refused);
  boost::asio::awaitable<bool> deliver_traces(Target& target, const Item& item,
                                              std::span<const TraceSpans> traces);
  boost::asio::awaitable<bool> isolate_trace(Target& target, const Item& item, const TraceSpans& trace,
                                             Verdict refused);
  boost::asio::awaitable<bool> deliver_spans(Target& target, const Item& item, const TraceId& trace,
                                             std::span<const SpanId> spans, TraceOutcome& outcome);

  // Sends until the answer says something about the request: done, split, halve or stopped; not_found when
  // the route leads nowhere. `is_last`: what is refused now is a dead letter, so a doubtful 500 is sent
  // again.
  boost::asio::awaitable<Verdict> send(Target& target, Body body, bool is_last);
  boost::asio::awaitable<Verdict> send_once(const Target& target, const Body& body);
  boost::asio::awaitable<bool> find_experiment_again(Target& target, int times, Verdict& verdict);
  boost::asio::awaitable<bool> pause_unsupported();

  void settle_delivered(std::span<const Item> items, const Verdict& verdict);
  void settle_trace(const Item& item, const TraceId& trace, TraceOutcome outcome);
  void settle_dead(std::span<const Item> items, const Verdict& verdict);
  [[nodiscard]] spool::DeadLetter letter(const Item& item, const TraceId& trace, const SpanId& span,
                                         std::uint32_t spans, const Verdict& verdict,
                                         std::string payload) const;

  const TrackContext context_;
  spool::Cursor& cursor_;
  const Surface surface_;
  const std::string url_;
  BodyEncoder encoder_;
  Sleeps sleeps_;
};

}  // namespace spanferry::uploader
