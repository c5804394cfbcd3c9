// Delivers batches to one OTLP endpoint and settles what became of every span: delivered, or dead after the
// batch was split down to what the far side refuses. Of one refused span its neighbours never learn.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "uploader/otlp_batch.hpp"
#include "uploader/otlp_reader.hpp"
#include "uploader/track.hpp"
#include "uploader/waits.hpp"

namespace spanferry::uploader {

class MlflowFiles;

// Lives on the deliver thread. Several deliveries may be under way at once.
class OtlpDelivery {
 public:
  OtlpDelivery(const TrackContext& context, spool::Cursor& cursor);
  ~OtlpDelivery();

  // Returns when all of the batch is settled or parked, or when we are stopping (what is not settled is sent
  // again by the next process).
  boost::asio::awaitable<void> deliver(OtlpBatch batch);
  void stop();

 private:
  // Where a batch goes, and what is known of the place.
  struct Target {
    Route route;
    std::string experiment_id;  // empty: the endpoint wants none
    // Something of this batch was accepted or refused for good: a 500 is about the request, not an outage.
    bool proven = false;
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
  // What a request carries: records, or traces of one record, or spans of one of its traces.
  struct Part {
    std::span<const Item> items;  // one, at the finer levels
    std::span<const TraceSpans> traces{};
    std::span<const SpanId> spans{};  // ascending, of traces[0]
    TraceOutcome* outcome = nullptr;  // of traces[0], at the finest level
  };
  // Doubtful: answered by 500 alone, with nothing to tell it from an outage; nothing of it is settled. Held:
  // its route cannot go now; what is not settled is to be parked. Files: the server takes no spans by OTLP.
  enum class Reach : std::uint8_t { settled, doubtful, held, files, stopped };
  // What became of items, by where they stand.
  struct Settlement {
    std::vector<spool::Settled> in_log;
    std::vector<spool::SettledParked> in_parked;
    void add(const Item& item, spool::Settled settled);
  };

  // Sends the part, and what is refused of it in ever smaller parts. `whole_only`: does not go on to smaller
  // ones when it is doubtful.
  boost::asio::awaitable<Reach> deliver_part(Target& target, Part part, bool whole_only = false);
  boost::asio::awaitable<Reach> divide(Target& target, Part part, Verdict refused, bool doubtful);
  boost::asio::awaitable<Reach> divide_trace(Target& target, Part part, Verdict refused, bool doubtful);
  // One span that is too large by itself, with less and less of its largest attributes. Nothing: it cannot be
  // delivered, for the reason that `refused` has then.
  boost::asio::awaitable<std::optional<Reach>> deliver_truncated(Target& target, const Part& part,
                                                                 Verdict& refused);
  boost::asio::awaitable<Reach> deliver_halves(Target& target, Part first, Part second);

  // Sends until the answer says something about the request: done, split, halve or stopped; not_found when
  // the route leads nowhere.
  boost::asio::awaitable<Verdict> send(Target& target, Body body);
  boost::asio::awaitable<Verdict> send_once(const Target& target, const Body& body);
  boost::asio::awaitable<bool> find_experiment_again(Target& target, int times, Verdict& verdict);
  boost::asio::awaitable<bool> pause_unsupported();

  boost::asio::awaitable<Reach> deliver_items(Target& target, std::span<const Item> items);
  boost::asio::awaitable<Reach> deliver_spans(Target& target, std::span<const Item> items);
  boost::asio::awaitable<Reach> deliver_files(Target& target, std::span<const Item> items);
  boost::asio::awaitable<Verdict> put_file(const TraceId& trace);
  void settle_files(const Item& item, const std::unordered_map<TraceId, Verdict>& refused);
  [[nodiscard]] bool goes_as_files() const;
  void note_takes_files(const Verdict& verdict);
  void note_takes_otlp();
  void park(std::span<const Item> items);
  void settle(Settlement settlement);

  static std::vector<TraceSpans> traces_of(const Item& item);
  Body body_of(const Part& part);
  void settle_part(const Part& part, const Verdict& verdict);
  void settle_delivered(std::span<const Item> items, const Verdict& verdict);
  void settle_trace(const Item& item, const TraceId& trace, TraceOutcome outcome);
  void settle_dead(std::span<const Item> items, const Verdict& verdict);
  [[nodiscard]] spool::DeadLetter partial_letter(const Item& first, std::uint32_t rejected,
                                                 const Verdict& verdict, const PartialSuccess& partial) const;
  [[nodiscard]] spool::DeadLetter letter(const Item& item, const TraceId& trace, const SpanId& span,
                                         std::uint32_t spans, const Verdict& verdict,
                                         std::string payload) const;

  const TrackContext context_;
  spool::Cursor& cursor_;
  const Surface surface_;
  const std::string url_;
  BodyEncoder encoder_;
  Sleeps sleeps_;
  const std::unique_ptr<MlflowFiles> files_;  // of an MLflow server
};

}  // namespace spanferry::uploader
