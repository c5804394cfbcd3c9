// Feedback for whichever trace has a client's request id: for the newest one that is known here, else for the
// newest that the far side knows.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "model/mlflow_write.hpp"
#include "uploader/trace_edits.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread, one call after the other. Outlived by all it is given.
class RequestFeedback {
 public:
  RequestFeedback(const TrackContext& context, TraceCalls& calls)
      : context_(context), calls_(calls), edits_(context, calls) {}

  // early: no trace has that request id yet. `route`: whose experiment is searched; the far side is asked
  // once a second at most. `may_be_done`: by the process before.
  boost::asio::awaitable<EditOutcome> give(const Route& route, const mlflow::FeedbackByRequest& feedback,
                                           bool may_be_done);

 private:
  [[nodiscard]] std::optional<TraceId> find_here(const std::string& client_request_id) const;
  boost::asio::awaitable<std::expected<TraceId, Verdict>> find_there(const Route& route,
                                                                     const std::string& client_request_id);

  const TrackContext context_;
  TraceCalls& calls_;
  TraceEdits edits_;
  std::optional<std::chrono::steady_clock::time_point> searched_;  // last at the far side
};

}  // namespace spanferry::uploader
