// What an MLflow client wrote that is about no trace in particular: experiments, deletions by time, feedback
// for whichever trace has a request id. One after the other, in the order of the log, beside the traces and
// without holding them. Feedback whose trace is not known yet is parked and tried again for a day.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "model/mlflow_write.hpp"
#include "uploader/request_feedback.hpp"
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

  std::optional<Waiting> next();
  [[nodiscard]] bool may_go(const Record& record) const;
  void read_parked();
  boost::asio::awaitable<bool> wait();
  boost::asio::awaitable<EditOutcome> apply(const Record& record);
  boost::asio::awaitable<EditOutcome> apply(const Route& route, const mlflow::ExperimentEdit& edit);
  boost::asio::awaitable<EditOutcome> make(const mlflow::MakeLocation& edit);
  boost::asio::awaitable<EditOutcome> link(const Route& route, const mlflow::LinkLocation& edit);
  boost::asio::awaitable<EditOutcome> create(const mlflow::CreateExperiment& edit);
  boost::asio::awaitable<EditOutcome> set_tag(const Route& route, const mlflow::SetExperimentTag& edit);
  boost::asio::awaitable<EditOutcome> remove_older(const Route& route, const mlflow::TraceDelete& deletion);
  void park(const Record& record);

  const TrackContext context_;
  spool::Cursor& cursor_;
  TraceSettling& settling_;
  TraceCalls calls_;
  RequestFeedback feedback_;
  const std::function<void()> moved_;
  const Seq end_at_start_;  // what came in before may have been done by the process before
  std::deque<Waiting> waiting_;
  std::chrono::steady_clock::time_point look_at_parked_;
  std::chrono::milliseconds between_looks_;
  std::uint64_t revived_ = 0;  // dead letters taken back that were looked for
  Event changed_;
  boost::asio::steady_timer next_look_;
};

}  // namespace spanferry::uploader
