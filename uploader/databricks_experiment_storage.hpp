// Whole traces to Databricks experiment storage: StartTrace first, then the span file to the storage behind
// the workspace. What is there already is never replaced by less. CONTRACT 2.2.
#pragma once

#include <expected>
#include <string>

#include "model/mlflow_json.hpp"
#include "uploader/databricks_storage.hpp"
#include "uploader/trace_track.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread; several deliveries are under way at once.
class ExperimentStorageDelivery {
 public:
  explicit ExperimentStorageDelivery(const TrackContext& context);

  // To that experiment; a trace that is there already stays in its own. Fails when the experiment, or the
  // trace between two calls, is gone: everything is to be asked for anew.
  boost::asio::awaitable<std::expected<TraceOutcome, Verdict>> deliver(GatheredTrace& gathered,
                                                                       std::string experiment);
  void stop() { calls_.sleeps().stop(); }

 private:
  struct Upload;
  boost::asio::awaitable<Verdict> send(Upload& upload);
  boost::asio::awaitable<Verdict> start_trace(Upload& upload, const mlflow::SpansFile& file);
  boost::asio::awaitable<bool> pause_unsupported(const Verdict& verdict);
  boost::asio::awaitable<Verdict> look_there(Upload& upload);
  boost::asio::awaitable<Verdict> merge_file(Upload& upload);

  const TrackContext context_;
  TraceCalls calls_;
  DatabricksStorage storage_;
};

}  // namespace spanferry::uploader
