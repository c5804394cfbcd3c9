// What an MLflow client wrote that is about no trace in particular: experiments, deletions by time, feedback
// for whichever trace has a request id. One after the other, in the order of the log, beside the traces and
// without holding them. Feedback whose trace is not known yet is parked and tried again for a day.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "model/mlflow_write.hpp"
#include "uploader/trace_edits.hpp"
#include "uploader/trace_settling.hpp"
#include "uploader/waits.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread. Outlived by all it is given.
class LooseWrites {
 public:
  // `moved` is called when one more is done.
  LooseWrites(const TrackContext& context, spool::Cursor& cursor, TraceSettling& settling,
              std::function<void()> moved);

  // Whether such a record is for us.
  static bool takes(const RecordHeader& header);
  // No room for more: read on later.
  [[nodiscard]] bool full() const;
  void add(Record record);
  // The records before it are settled as far as they can be, or time has passed: look again.
  void look();
  boost::asio::awaitable<void> run();
  void stop();

 private:
  struct Waiting {
    Record record;
    std::optional<spool::Parked> parked;
  };
  enum class Reach : std::uint8_t { done, refused, early, stopped };
  struct Made {
    Reach reach = Reach::stopped;
    Verdict verdict;
  };

  std::optional<Waiting> next();
  [[nodiscard]] bool may_go(const Record& record) const;
  void read_parked();
  boost::asio::awaitable<bool> wait();
  boost::asio::awaitable<Made> apply(const Record& record);
  boost::asio::awaitable<Made> create(const mlflow::CreateExperiment& edit);
  boost::asio::awaitable<Made> set_tag(const Route& route, const mlflow::SetExperimentTag& edit);
  boost::asio::awaitable<Made> remove_older(const Route& route, const mlflow::TraceDelete& deletion);
  boost::asio::awaitable<Made> give_feedback(const Record& record, const mlflow::FeedbackByRequest& feedback);
  boost::asio::awaitable<std::expected<TraceId, Verdict>> find_there(const Route& route,
                                                                     const std::string& client_request_id);
  [[nodiscard]] std::optional<TraceId> find_here(const std::string& client_request_id) const;
  static Made made_of(Verdict verdict);
  void park(const Record& record);

  const TrackContext context_;
  spool::Cursor& cursor_;
  TraceSettling& settling_;
  TraceCalls calls_;
  TraceEdits edits_;
  const std::function<void()> moved_;
  const Seq end_at_start_;  // what came in before may have been done by the process before
  std::deque<Waiting> waiting_;
  std::chrono::steady_clock::time_point look_at_parked_;
  std::chrono::milliseconds between_looks_;
  std::optional<std::chrono::steady_clock::time_point> searched_;  // last at the far side
  std::uint64_t revived_ = 0;  // dead letters taken back that were looked for
  Event changed_;
  boost::asio::steady_timer next_look_;
};

}  // namespace spanferry::uploader
