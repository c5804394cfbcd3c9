#include "daemon/run.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "config/units.hpp"
#include "console/console.hpp"
#include "daemon/drain.hpp"
#include "daemon/endpoints.hpp"
#include "daemon/log.hpp"
#include "daemon/mlflow_api.hpp"
#include "daemon/process.hpp"
#include "daemon/quantities.hpp"
#include "daemon/reload.hpp"
#include "daemon/workspace_reader.hpp"
#include "ingest/mlflow_api/search_desk.hpp"
#include "ingest/server.hpp"
#include "spool/directory.hpp"
#include "spool/lock_file.hpp"
#include "spool/spool.hpp"
#include "uploader/uploader.hpp"

namespace spanferry::daemon {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kLockLook{50};
constexpr milliseconds kLook{1000};  // at the configuration file
constexpr std::chrono::seconds kReturnMemory{10};

class Daemon {
 public:
  Daemon(const config::Loaded& loaded, const Callbacks& callbacks)
      : in_force_(loaded),
        settings_(loaded.settings),
        callbacks_(callbacks),
        file_(loaded.file),
        far_side_(delivering_, settings_.ingest.mlflow_api.destination) {}

  Result<> start() {
    const auto open_files = raise_open_files();
    if (const auto within = connections_within(settings_.ingest.max_connections, open_files);
        within < settings_.ingest.max_connections) {
      spdlog::warn("max_connections is {} instead of {}: the hard limit of open files is {}", within,
                   settings_.ingest.max_connections, open_files);
      settings_.ingest.max_connections = within;
    }
    settings_.ingest.instance = settings_.uploader.instance = sources_.instance = mint_span_id().hex();

    if (const auto free = wait_for_the_spool(); !free) return free;
    auto spool = spool::Spool::open(settings_.spool);
    if (!spool) return std::unexpected(spool.error().in("spool"));
    spool_ = std::move(*spool);

    fill_sources();
    far_side_.choose(settings_.uploader);
    auto served = endpoints(sources_);
    if (auto opened = open_mlflow_api(served); !opened) return opened;
    auto server = ingest::Server::start(settings_.ingest, *spool_, std::move(served), &mlflow_api_->patience);
    if (!server) return std::unexpected(server.error());
    server_ = std::move(*server);
    serving_ = server_.get();

    auto uploader = uploader::Uploader::start(settings_.uploader, *spool_, server_->http_addresses());
    if (!uploader) {
      server_->stop(milliseconds(0));
      return std::unexpected(uploader.error());
    }
    uploader_ = std::move(*uploader);
    delivering_ = uploader_.get();
    if (settings_.ingest.mlflow_api.served) far_side_.look();
    started_ = true;
    return {};
  }

  [[nodiscard]] Doors doors() const { return {server_->http_addresses(), server_->udp_addresses()}; }

  void tell_start() const {
    const auto status = spool_->status();
    const auto at = doors();
    spdlog::info(
        "spanferry {} listens on http {} and udp {}; spool {} ({}, {} of {}, {} spans in {} records); "
        "destinations: {}",
        SPANFERRY_VERSION, at.http.empty() ? "off" : fmt::format("{}", fmt::join(at.http, " ")),
        at.udp.empty() ? "off" : fmt::format("{}", fmt::join(at.udp, " ")), status.directory,
        status.filesystem, bytes_text(status.bytes), bytes_text(status.max_bytes), status.spans,
        status.records, destinations_text());
    for (const auto& warning : status.warnings) spdlog::warn("{}", warning);
  }

  // Until a signal to stop.
  void wait() {
    const auto watchdog = watchdog_interval();
    const bool terminal = ::isatty(STDIN_FILENO) == 1;
    const auto step = watchdog ? std::clamp(*watchdog / 3, milliseconds(100), kLook) : kLook;
    auto return_memory_at = Clock::now() + kReturnMemory;
    while (true) {
      if (Clock::now() >= return_memory_at) {
        return_freed_memory();
        return_memory_at = Clock::now() + kReturnMemory;
      }
      if (watchdog && console::livez(sources_).status == 200) notify_watchdog();
      const auto signal = next_signal(step);
      if (signal && (*signal != SIGHUP || terminal)) return;
      if (signal || file_.changed()) reload();
    }
  }

  void tell_ready() const {
    const auto at = server_->http_addresses();
    notify_ready(at.empty() ? "listening" : "listening on " + at.front());
  }

  void drain() {
    const auto began = Clock::now();
    notify_stopping();
    spdlog::info("stopping: the doors stay open until senders are quiet for {} or for {} at most",
                 config::format_duration(kDrainQuiet), config::format_duration(settings_.drain_timeout));
    server_->start_draining();
    const auto elapsed = [&] { return std::chrono::duration_cast<milliseconds>(Clock::now() - began); };
    while (!doors_may_close(settings_.drain_timeout, elapsed(), server_->quiet_for()))
      if (next_signal(milliseconds(20))) abandon();
    server_->stop(time_for_requests(settings_.drain_timeout, elapsed()));
    deliver_what_is_due(time_for_delivery(settings_.drain_timeout, elapsed()));

    std::uint64_t pending = 0;
    for (const auto& d : uploader_->status()) pending = std::max(pending, d.accounting.pending);
    delivering_ = nullptr;
    uploader_.reset();
    if (mlflow_api_) mlflow_api_->searches->stop();
    server_.reset();
    spool_.reset();
    spdlog::info("stopped after {} ms; {}", elapsed().count(),
                 pending == 0 ? std::string("nothing is pending")
                              : fmt::format("up to {} spans are on disk for the next start", pending));
  }

 private:
  // Another daemon may be about to leave it; a signal to stop ends the wait.
  Result<> wait_for_the_spool() {
    const auto until = Clock::now() + std::exchange(settings_.spool.lock_wait, std::chrono::seconds(0));
    bool told = false;
    while (const auto holder = spool::LockFile::holder(spool::Layout{settings_.spool.directory}.lock())) {
      const auto left = std::chrono::ceil<std::chrono::seconds>(until - Clock::now());
      if (left.count() <= 0) break;
      if (!std::exchange(told, true))
        spdlog::warn("the spool is in use by {}: waiting up to {} s for it to leave", *holder, left.count());
      if (const auto signal = next_signal(kLockLook); signal && *signal != SIGHUP)
        return fail(ErrorKind::cancelled, fmt::format("told to stop while {} has the spool", *holder));
    }
    return {};
  }

  Result<> open_mlflow_api(std::vector<ingest::Endpoint>& served) {
    mlflow_api_ = std::make_unique<ingest::Api>(*spool_, &far_side_, mlflow_api_settings(settings_));
    if (auto loaded = mlflow_api_->load(); !loaded) return std::unexpected(loaded.error().in("spool"));
    served.push_back(ingest::feedback_endpoint(*mlflow_api_));
    if (!settings_.ingest.mlflow_api.served) return {};
    for (auto& endpoint : ingest::mlflow_endpoints(*mlflow_api_)) served.push_back(std::move(endpoint));
    return {};
  }

  void reload() {
    if (!callbacks_.load_again) return;
    notify_reloading();
    file_.was_read();
    if (auto loaded = callbacks_.load_again())
      take_over(*loaded);
    else
      keep_the_old(loaded.error());
    tell_ready();
  }

  static void keep_the_old(const std::vector<std::string>& problems) {
    for (const auto& problem : problems) spdlog::error("configuration: {}", problem);
    spdlog::error("the changed configuration is not valid: the old one stays in force");
  }

  void take_over(const config::Loaded& loaded) {
    if (const auto taken = uploader_->reload(loaded.settings.uploader); !taken)
      return keep_the_old({taken.error().sentence});
    far_side_.choose(loaded.settings.uploader);
    if (settings_.ingest.mlflow_api.served) far_side_.look();
    spool_->retain(loaded.settings.spool);
    server_->route_by(loaded.settings.ingest.routes);
    settings_.drain_timeout = loaded.settings.drain_timeout;
    set_log_level(loaded.settings.log_level);
    for (const auto& notice : loaded.notices) spdlog::warn("{}", notice);
    spdlog::info("the configuration was read again; destinations: {}", destinations_text());
    if (const auto keys = keys_for_a_restart(in_force_, loaded); !keys.empty())
      spdlog::warn("{} changed too, which takes a restart", fmt::join(keys, ", "));
  }

  [[nodiscard]] std::string destinations_text() const {
    std::vector<std::string> all;
    for (const auto& d : uploader_->status())
      all.push_back(fmt::format("{} ({}, {}{})", d.name, d.kind, name(d.state),
                                d.lag_records == 0 ? "" : fmt::format(", {} records behind", d.lag_records)));
    for (const auto& d : spool_->status().removed)
      all.push_back(
          fmt::format("{} (removed with {} spans pending; `spanferry spool forget {}` ends this notice)",
                      d.name, d.pending_spans, d.name));
    return all.empty() ? "none" : fmt::format("{}", fmt::join(all, ", "));
  }

  void fill_sources() {
    const auto started = Clock::now();
    sources_.spool = spool_.get();
    sources_.version = SPANFERRY_VERSION;
    sources_.uptime_s = [started] { return std::chrono::duration<double>(Clock::now() - started).count(); };
    sources_.started = [this] { return started_.load(); };
    // The doors answer while destinations are still being set up, and before start() has returned.
    sources_.ingest = [this] {
      const auto* server = serving_.load();
      return server == nullptr ? IngestStatus{} : server->status();
    };
    sources_.destinations = [this] {
      const auto* uploader = delivering_.load();
      return uploader == nullptr ? std::vector<DestinationStatus>{} : uploader->status();
    };
    sources_.delivery = [this](const TraceId& trace, const std::vector<Seq>& records) {
      std::vector<console::TraceDelivery> all;
      if (const auto* uploader = delivering_.load())
        for (auto& d : uploader->delivery_of(trace, records))
          all.push_back({std::move(d.destination), d.settled});
      return all;
    };
  }

  // Delivery blocks; the main thread goes on listening for a second signal.
  void deliver_what_is_due(milliseconds time) {
    std::atomic<bool> done = false;
    std::thread delivery([&] {
      ::pthread_setname_np(::pthread_self(), "drain");
      uploader_->drain(time);
      done = true;
    });
    while (!done)
      if (next_signal(milliseconds(10))) abandon();
    delivery.join();
  }

  [[noreturn]] void abandon() const {
    spdlog::warn("second signal: stopping at once; what is not delivered is on disk");
    spdlog::default_logger()->flush();
    if (callbacks_.on_abandon) callbacks_.on_abandon();
    std::_Exit(0);
  }

  const config::Loaded in_force_;  // as it was at the start: for what only a restart changes
  config::Settings settings_;
  const Callbacks& callbacks_;
  WatchedFile file_;
  console::Sources sources_;
  // Declared in the order of their lives: the doors close first, the spool last.
  std::unique_ptr<spool::Spool> spool_;
  std::atomic<uploader::Uploader*> delivering_ = nullptr;
  FarSide far_side_;
  std::unique_ptr<ingest::Api> mlflow_api_;
  std::atomic<bool> started_ = false;
  std::atomic<ingest::Server*> serving_ = nullptr;
  std::unique_ptr<uploader::Uploader> uploader_;
  std::unique_ptr<ingest::Server> server_;
};

}  // namespace

Result<> run(const config::Loaded& loaded, const Callbacks& callbacks) {
  for (const auto& notice : loaded.notices) spdlog::warn("{}", notice);
  Daemon daemon(loaded, callbacks);
  if (auto started = daemon.start(); !started) return started;
  daemon.tell_start();
  daemon.tell_ready();
  if (callbacks.on_started) callbacks.on_started(daemon.doors());
  daemon.wait();
  daemon.drain();
  return {};
}

}  // namespace spanferry::daemon
