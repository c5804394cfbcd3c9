// One destination at work: its thread, its HTTP client, and the tracks that read the log for it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "model/result.hpp"
#include "model/status.hpp"
#include "spool/spool.hpp"
#include "uploader/read.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

class Destination {
 public:
  // Its cursors are there when this returns; nothing is read before start(). `context` fills tags, `instance`
  // is sent as X-Spanferry-Hop. Errors: configuration, unavailable.
  static Result<std::shared_ptr<Destination>> make(const DestinationSettings& settings,
                                                   const ContextDefaults& context, spool::Spool& spool,
                                                   const std::string& instance);
  ~Destination();  // stops
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;

  // Starts the thread ("deliver") on which everything of this destination lives. None for kind local.
  void start();
  // At once; what was in flight is sent again by whoever delivers next. Blocks until the thread has ended.
  void stop();
  // Sends what is due without waiting for more. Returns at once: look at pending().
  void drain();

  // Any thread, also after stop().
  [[nodiscard]] bool pending() const;
  [[nodiscard]] DestinationStatus status() const;
  [[nodiscard]] bool settled(const TraceId& trace, const std::vector<Seq>& records) const;
  // Any thread. Of kinds databricks and mlflow alone.
  void read(ReadRequest request, ReadHandler done);
  [[nodiscard]] ReadState read_state() const;

  [[nodiscard]] const std::string& name() const { return settings_.name; }
  // Whether these settings would make the same destination.
  [[nodiscard]] bool is(const DestinationSettings& settings, const ContextDefaults& context) const;
  [[nodiscard]] std::vector<std::string> cursors() const;  // names

 private:
  struct Delivering;  // lives on the thread

  Destination(const DestinationSettings& settings, const ContextDefaults& context, spool::Spool& spool);
  Result<> make_tracks(const std::string& instance);
  bool ended_within(std::chrono::milliseconds time);

  const DestinationSettings settings_;
  const ContextDefaults context_;
  spool::Spool& spool_;
  std::unique_ptr<Delivering> delivering_;  // null for kind local
  spool::Spool::Subscription subscription_;
  std::atomic<bool> draining_ = false;
  std::thread thread_;
  std::mutex mutex_;  // guards ended_
  std::condition_variable changed_;
  bool ended_ = false;
  bool left_ = false;  // it did not end in time
};

}  // namespace spanferry::uploader
