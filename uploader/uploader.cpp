#include "uploader/uploader.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include "model/ids.hpp"
#include "spool/spool.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/http_sender.hpp"
#include "uploader/mlflow_experiments.hpp"
#include "uploader/track.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kStopWithin{5000};
constexpr milliseconds kDrainLook{10};

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::databricks:
      return "databricks";
    case Kind::mlflow:
      return "mlflow";
    case Kind::otlp:
      return "otlp";
    case Kind::local:
      return "local";
  }
  return "";
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Destination {
  const DestinationSettings* settings = nullptr;
  std::unique_ptr<HttpSender> sender;  // null for kind local, as what follows
  std::unique_ptr<MlflowExperiments> experiments;
  std::vector<std::unique_ptr<Track>> tracks;  // the first one's cursor has the destination's name
};

// Everything that lives on the deliver thread.
struct Delivering {
  explicit Delivering(const Settings& given) : settings(given) {}

  const Settings settings;
  asio::io_context io{1};
  std::vector<Destination> destinations;
  std::atomic<bool> notified = false;

  void records_arrived() {
    notified = false;
    for (Destination& destination : destinations)
      for (const auto& track : destination.tracks) track->records_arrived();
  }
  void drain() {
    for (Destination& destination : destinations)
      for (const auto& track : destination.tracks) track->drain();
  }
  void stop() {
    for (Destination& destination : destinations) {
      for (const auto& track : destination.tracks) track->stop();
      if (destination.sender) destination.sender->stop();
    }
  }
};

Result<> make_cursor(const DestinationSettings& settings, spool::Spool& spool, const std::string& cursor) {
  const auto made = spool.cursor(
      cursor, settings.from == From::oldest ? spool::Spool::From::oldest : spool::Spool::From::now);
  if (!made) return std::unexpected(made.error().in("destination " + settings.name));
  return {};
}

Result<> check(const DestinationSettings& settings, const std::vector<std::string>& own_addresses) {
  const auto endpoint = parse_endpoint(settings.url);
  if (!endpoint) return std::unexpected(endpoint.error().in("destination " + settings.name));
  if (is_own_listener(*endpoint, own_addresses))
    return fail(ErrorKind::configuration,
                fmt::format("destination {}: {} is this daemon's own listener; spans would go in a circle",
                            settings.name, settings.url));
  return {};
}

Result<Destination> make_destination(Delivering& delivering, const DestinationSettings& settings,
                                     spool::Spool& spool, const std::string& instance) {
  Destination made;
  made.settings = &settings;
  if (settings.kind == Kind::local) return made;
  if (const auto cursor = make_cursor(settings, spool, settings.name); !cursor)
    return std::unexpected(cursor.error());
  made.sender = std::make_unique<HttpSender>(delivering.io, settings, instance);
  if (settings.kind != Kind::otlp)
    made.experiments = std::make_unique<MlflowExperiments>(settings, spool, *made.sender);
  const TrackContext context{
      delivering.io, spool, settings, delivering.settings.context, *made.sender, made.experiments.get()};
  if (settings.kind == Kind::databricks) {
    made.tracks.push_back(make_databricks_track(context));
  } else {
    made.tracks.push_back(make_otlp_track(context));
    if (settings.kind == Kind::mlflow) {
      if (const auto cursor = make_cursor(settings, spool, settings.name + "#info"); !cursor)
        return std::unexpected(cursor.error());
      made.tracks.push_back(make_mlflow_info_track(context, *made.tracks.front()));
    }
  }
  return made;
}

class UploaderImpl final : public Uploader {
 public:
  UploaderImpl(const Settings& settings, spool::Spool& spool)
      : delivering_(std::make_unique<Delivering>(settings)), spool_(spool) {}

  ~UploaderImpl() override {
    subscription_.reset();
    if (!thread_.joinable()) return;
    Delivering& delivering = *delivering_;
    asio::post(delivering.io, [&delivering] { delivering.stop(); });
    work_.reset();
    if (!ended_within(kStopWithin)) {
      spdlog::error("deliveries did not stop within {} s; leaving them", kStopWithin.count() / 1000);
      delivering.io.stop();
      thread_.join();
      // Their coroutines still point into it.
      [[maybe_unused]] const Delivering* const left = delivering_.release();
      return;
    }
    thread_.join();
  }

  Result<> make_destinations(const std::vector<std::string>& own_addresses) {
    Delivering& delivering = *delivering_;
    const std::string instance =
        delivering.settings.instance.empty() ? mint_trace_id().hex() : delivering.settings.instance;
    for (const DestinationSettings& settings : delivering.settings.destinations) {
      if (settings.kind != Kind::local)
        if (const auto checked = check(settings, own_addresses); !checked)
          return std::unexpected(checked.error());
      auto made = make_destination(delivering, settings, spool_, instance);
      if (!made) return std::unexpected(made.error());
      delivering.destinations.push_back(*std::move(made));
    }
    return {};
  }

  void run() {
    Delivering& delivering = *delivering_;
    work_.emplace(delivering.io.get_executor());
    for (Destination& destination : delivering.destinations)
      for (const auto& track : destination.tracks) track->start();
    thread_ = std::thread([this, &delivering] {
      pthread_setname_np(pthread_self(), "deliver");
      delivering.io.run();
      const std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    });
    subscription_ = spool_.subscribe([&delivering] {
      // One look at the log serves all groups committed before it.
      if (!delivering.notified.exchange(true))
        asio::post(delivering.io, [&delivering] { delivering.records_arrived(); });
    });
    // What was committed before the subscription.
    asio::post(delivering.io, [&delivering] { delivering.records_arrived(); });
  }

  [[nodiscard]] std::vector<DestinationStatus> status() const override {
    std::vector<DestinationStatus> all;
    for (const Destination& destination : delivering_->destinations) all.push_back(status_of(destination));
    return all;
  }

  void drain(milliseconds deadline) override {
    const auto until = std::chrono::steady_clock::now() + deadline;
    draining_ = true;
    Delivering& delivering = *delivering_;
    asio::post(delivering.io, [&delivering] { delivering.drain(); });
    while (pending() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kDrainLook);
  }

  [[nodiscard]] std::vector<Delivery> delivery_of(const TraceId& trace,
                                                  const std::vector<Seq>& records) const override {
    std::vector<Delivery> all;
    for (const Destination& destination : delivering_->destinations) {
      const bool settled = std::ranges::all_of(destination.tracks, [&](const auto& track) {
        return std::ranges::all_of(records, [&](Seq seq) { return track->settled(seq, trace); });
      });
      all.push_back({destination.settings->name, settled});
    }
    return all;
  }

 private:
  bool ended_within(milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return ended_; });
  }

  [[nodiscard]] bool pending() const {
    return std::ranges::any_of(delivering_->destinations, [](const Destination& destination) {
      return std::ranges::any_of(destination.tracks,
                                 [](const auto& track) { return track->cursor().lag_records() > 0; });
    });
  }

  [[nodiscard]] DestinationStatus status_of(const Destination& destination) const {
    DestinationStatus status;
    status.name = destination.settings->name;
    status.kind = name(destination.settings->kind);
    if (destination.tracks.empty()) {
      // The local view has every span as soon as it is durable.
      status.accounting.accepted = spool_.status().appended_spans;
      status.accounting.settled[Outcome::delivered] = status.accounting.accepted;
      status.delivered_spans = status.accounting.accepted;
      return status;
    }
    destination.sender->health().fill(status);
    if (draining_ && status.state == DestinationState::ok) status.state = DestinationState::draining;
    status.accounting = destination.tracks.front()->cursor().accounting();
    status.delivered_spans = status.accounting.settled[Outcome::delivered];
    const std::int64_t now = now_ns();
    for (const auto& track : destination.tracks) {
      const spool::Cursor& cursor = track->cursor();
      status.lag_records = std::max(status.lag_records, cursor.lag_records());
      if (const std::int64_t oldest = cursor.oldest_pending_ns(); oldest != 0)
        status.lag_s = std::max(status.lag_s, static_cast<double>(now - oldest) / 1e9);
    }
    return status;
  }

  std::unique_ptr<Delivering> delivering_;
  spool::Spool& spool_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  spool::Spool::Subscription subscription_;
  std::atomic<bool> draining_ = false;
  std::thread thread_;
  std::mutex mutex_;  // guards ended_
  std::condition_variable changed_;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<Uploader>> Uploader::start(const Settings& settings, spool::Spool& spool,
                                                  const std::vector<std::string>& own_addresses) {
  auto uploader = std::make_unique<UploaderImpl>(settings, spool);
  if (const auto made = uploader->make_destinations(own_addresses); !made)
    return std::unexpected(made.error());
  uploader->run();
  return uploader;
}

}  // namespace spanferry::uploader
