// Feedback for whichever trace has a client's request id: for the newest one that is known here, else for the
// newest that the far side knows.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "model/mlflow_write.hpp"
#include "spool/spool.hpp"
#include "uploader/request_search.hpp"
#include "uploader/table_edits.hpp"
#include "uploader/trace_edits.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread, one call after the other. Outlived by all it is given.
class RequestFeedback {
 public:
  RequestFeedback(const TrackContext& context, TraceCalls& calls)
      : context_(context),
        search_(context, calls),
        edits_(context, calls),
        ids_(context.spool, context.settings.name),
        table_edits_(calls, ids_, context.settings.sql_warehouse_id) {}

  // early: no trace has that request id yet. `route`: whose experiment is searched. `may_be_done`: by the
  // process before.
  boost::asio::awaitable<EditOutcome> give(const Route& route, const mlflow::FeedbackByRequest& feedback,
                                           bool may_be_done);

 private:
  [[nodiscard]] std::optional<spool::TraceSummary> find_here(const std::string& client_request_id) const;
  boost::asio::awaitable<std::expected<FarTrace, Verdict>> place_of(const spool::TraceSummary& trace);
  boost::asio::awaitable<std::expected<std::string, Verdict>> table_path_of(const spool::TraceSummary& trace);

  const TrackContext context_;
  RequestSearch search_;
  TraceEdits edits_;
  AssessmentIds ids_;
  TableEdits table_edits_;
};

}  // namespace spanferry::uploader
