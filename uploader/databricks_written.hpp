// A trace of an MLflow client to Databricks experiment storage: its own StartTrace, with nothing added, and
// its spans as one file. CONTRACT 2.2.
#pragma once

#include <expected>
#include <string>

#include "uploader/databricks_storage.hpp"
#include "uploader/trace_track.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread; several deliveries are under way at once.
class WrittenStorageDelivery {
 public:
  explicit WrittenStorageDelivery(const TrackContext& context);

  // Of a trace with an own info. What is told or uploaded already is not told or uploaded again. Fails when
  // the experiment is gone.
  boost::asio::awaitable<std::expected<TraceOutcome, Verdict>> deliver(GatheredTrace& trace,
                                                                       const std::string& experiment);
  void stop() { calls_.sleeps().stop(); }

 private:
  boost::asio::awaitable<Verdict> tell(const GatheredTrace& trace, const std::string& experiment,
                                       bool with_tags);
  boost::asio::awaitable<Verdict> upload(GatheredTrace& trace, bool over_what_is_there);

  const TrackContext context_;
  TraceCalls calls_;
  DatabricksStorage storage_;
};

}  // namespace spanferry::uploader
