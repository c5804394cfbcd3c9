// The trace at the far side that a client's request id names: in the Unity Catalog table that the experiment
// is linked to, or where MLflow's V3 search finds it. CONTRACT 1.4, 2.2, 2.3.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "uploader/experiments.hpp"
#include "uploader/trace_calls.hpp"

namespace spanferry::uploader {

struct FarTrace {
  TraceId id;
  std::string table_path;  // of its table's location; empty: MLflow's V3 paths reach the trace
};

// Lives on the deliver thread, one search after the other. Outlived by all it is given.
class RequestSearch {
 public:
  RequestSearch(const TrackContext& context, TraceCalls& calls) : context_(context), calls_(calls) {}

  // The newest one of that experiment, at most one search a second. What is in the table counts before what
  // is not, which came before the experiment was linked. Fails with not_found (more may come), held, stopped,
  // or, without a table, as the search was refused.
  boost::asio::awaitable<std::expected<FarTrace, Verdict>> newest(const Experiment& experiment,
                                                                  const std::string& client_request_id);

 private:
  using Found = std::expected<std::optional<TraceId>, Verdict>;
  boost::asio::awaitable<bool> wait_for_turn();
  boost::asio::awaitable<Found> in_storage(const std::string& experiment, std::string_view filter);
  boost::asio::awaitable<Found> in_table(const std::string& path, std::string_view filter);

  const TrackContext context_;
  TraceCalls& calls_;
  std::optional<std::chrono::steady_clock::time_point> searched_;  // last
};

}  // namespace spanferry::uploader
