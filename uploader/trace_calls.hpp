// The calls of MLflow's REST API that deliver traces, each repeated until its answer is about the trace and
// not about an outage.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "model/ids.hpp"
#include "uploader/track.hpp"
#include "uploader/waits.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread.
class TraceCalls {
 public:
  TraceCalls(const TrackContext& context, Surface surface);

  // POST /api/3.0/mlflow/traces. Never compressed: servers do not look at Content-Encoding here.
  boost::asio::awaitable<Verdict> start_trace(std::string body);
  // GET /api/3.0/mlflow/traces/ID; not_found when there is no such trace.
  boost::asio::awaitable<Verdict> trace_info(const TraceId& trace);
  // GET .../credentials-for-data-{upload,download}, of the span file or of another one.
  enum class Way : std::uint8_t { upload, download };
  boost::asio::awaitable<Verdict> credentials(const TraceId& trace, Way way, const std::string& path = {});
  // Any call of the API with a JSON body; empty: none.
  boost::asio::awaitable<Verdict> call(std::string method, std::string path, std::string body = {},
                                       Tries tries = Tries::endless);
  // PATCH and DELETE /api/2.0/mlflow/traces/ID/tags. done also when there is no such tag to erase.
  boost::asio::awaitable<Verdict> set_tag(const TraceId& trace, std::string_view key, std::string_view value);
  boost::asio::awaitable<Verdict> erase_tag(const TraceId& trace, std::string_view key);
  // Any request; the body may be sent several times, unless there is to be one try.
  boost::asio::awaitable<Verdict> send(Surface surface, net::HttpRequest request,
                                       Tries tries = Tries::endless);

  [[nodiscard]] Sleeps& sleeps() { return sleeps_; }

 private:
  boost::asio::awaitable<Verdict> change_tag(std::string method, const TraceId& trace, std::string body);
  const TrackContext context_;
  const Surface surface_;
  Sleeps sleeps_;
};

}  // namespace spanferry::uploader
