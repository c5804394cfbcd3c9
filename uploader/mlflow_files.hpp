// A trace's spans as one file among the artifacts of an MLflow server, as MLflow's client keeps them where
// the server's store takes no spans by OTLP. What is there already is never replaced by less.
// CONTRACT 1.3, 3.2.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "uploader/trace_calls.hpp"
#include "uploader/trace_gather.hpp"
#include "uploader/trace_marks.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread; several traces are under way at once.
class MlflowFiles {
 public:
  MlflowFiles(const TrackContext& context, spool::Cursor& cursor);

  // Writes all that is known of the trace. done; held; split, halve: refused for good; fallback: the server
  // keeps no artifacts; stopped.
  boost::asio::awaitable<Verdict> put(TraceId trace);
  void stop();

 private:
  boost::asio::awaitable<Verdict> put_alone(const TraceId& trace);
  boost::asio::awaitable<Verdict> write(const GatheredTrace& gathered);
  // What is there of it, in `spans`.
  boost::asio::awaitable<Verdict> read(const std::string& url, std::vector<mlflow::StoredSpan>& spans);
  [[nodiscard]] bool may_be_more_there(const GatheredTrace& gathered) const;

  const TrackContext context_;
  TraceGatherer gatherer_;
  TraceCalls calls_;
  TraceMarks marks_;
  const Seq end_at_start_;  // what came in before may have been written by the process before
  std::unordered_set<TraceId>
      busy_;  // one write of a trace at a time: the later one knows all of the earlier
  Event freed_;
};

}  // namespace spanferry::uploader
