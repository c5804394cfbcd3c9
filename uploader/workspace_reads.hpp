// Reads of one destination under way, and whether it is worth asking: a read that gets no answer makes it
// `away` until a probe of our own is answered, so that of all callers only the first one waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/backoff.hpp"
#include "uploader/http_sender.hpp"
#include "uploader/read.hpp"
#include "uploader/waits.hpp"

namespace spanferry::uploader {

struct ReadTuning {
  net::BackoffSettings probe{std::chrono::milliseconds(500), std::chrono::milliseconds(10'000)};
  std::chrono::milliseconds probe_timeout{5000};
  std::size_t most = 64;  // under way at once; beyond: unavailable
};

class WorkspaceReads {
 public:
  // Outlived by all it is given. Lives on `io`.
  WorkspaceReads(boost::asio::io_context& io, const DestinationSettings& settings, HttpSender& sender,
                 ReadTuning tuning = {});

  // Any thread.
  void read(ReadRequest request, ReadHandler done);
  [[nodiscard]] ReadState state() const;
  // Any thread: from now on every read is cancelled at once.
  void refuse();
  // On `io`, after refuse(): ends what is under way.
  void stop();
  // After `io` has ended: tells those who were left.
  void abandon();

 private:
  using Id = std::uint64_t;

  Result<Id> admit(ReadRequest& request, ReadHandler& done);
  boost::asio::awaitable<void> run(Id id, ReadRequest request);
  boost::asio::awaitable<void> probe();
  void expire_after(Id id, std::chrono::milliseconds time);
  void learn(const Result<net::HttpResponse>& answer);
  void finish(Id id, Result<ReadAnswer> result);

  boost::asio::io_context& io_;
  const DestinationSettings& settings_;
  HttpSender& sender_;
  const ReadTuning tuning_;
  const Surface surface_;
  std::atomic<bool> answered_ = false, away_ = false;
  bool probing_ = false;
  Sleeps sleeps_;
  std::map<Id, std::unique_ptr<boost::asio::steady_timer>> deadlines_;
  std::mutex mutex_;  // guards what follows: reads begin on any thread
  std::map<Id, ReadHandler> waiting_;
  Id last_id_ = 0;
  bool refusing_ = false;
};

}  // namespace spanferry::uploader
