// Traces to a Unity Catalog table of a Databricks workspace: their spans by OTLP, then the trace info (V4). A
// table is only appended to, so what was sent is remembered before anything else is done. CONTRACT 2.3.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/mlflow_start_trace.hpp"
#include "model/mlflow_table.hpp"
#include "uploader/table_requests.hpp"
#include "uploader/trace_marks.hpp"
#include "uploader/unsent_rows.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread; several deliveries are under way at once.
class TableDelivery {
 public:
  explicit TableDelivery(const TrackContext& context);

  // Fails when there is no such table (Action::not_found): where it is must be asked for anew.
  boost::asio::awaitable<std::expected<TraceOutcome, Verdict>> deliver(GatheredTrace& gathered,
                                                                       const mlflow::TableLocation& location);
  // Whether something of the trace went to a table from here.
  [[nodiscard]] bool knows(const TraceId& trace);
  void stop();

 private:
  struct Sending;
  boost::asio::awaitable<std::expected<TraceOutcome, Verdict>> deliver_trace(
      GatheredTrace& gathered, const mlflow::TableLocation& location);
  [[nodiscard]] TraceOutcome spool_failed(const GatheredTrace& gathered, const Error& error) const;
  static const mlflow::TableSpans::Metadata& metadata_of(const Sending& sending);
  boost::asio::awaitable<Verdict> send_spans(Sending& sending);
  std::optional<std::string> info_of(Sending& sending) const;
  boost::asio::awaitable<Verdict> send_info(Sending& sending, TraceOutcome& outcome);
  boost::asio::awaitable<void> remember_waiting(Sending& sending);
  boost::asio::awaitable<void> remember(const TraceId& trace, TraceMark mark);

  const TrackContext context_;
  TraceCalls calls_;
  TableRequests requests_;
  UnsentRows unsent_;
  TraceMarks marks_;  // what was sent, whether or not it is settled
  std::size_t under_way_ = 0;
};

}  // namespace spanferry::uploader
