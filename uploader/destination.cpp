#include "uploader/destination.hpp"

#include <algorithm>
#include <optional>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include "model/clock.hpp"
#include "uploader/http_sender.hpp"
#include "uploader/mlflow_experiments.hpp"
#include "uploader/track.hpp"
#include "uploader/workspace_reads.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kStopWithin{5000};
constexpr net::BackoffSettings kProbes{milliseconds(2000), milliseconds(60'000)};  // of a held route

std::string_view name_of(Kind kind) {
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

Result<> make_cursor(const DestinationSettings& settings, spool::Spool& spool, const std::string& cursor) {
  const auto made = spool.cursor(
      cursor, settings.from == From::oldest ? spool::Spool::From::oldest : spool::Spool::From::now);
  if (!made) return std::unexpected(made.error().in("destination " + settings.name));
  (*made)->limit_lag(settings.when_behind == WhenBehind::drop ? std::optional(settings.max_lag_bytes)
                                                              : std::nullopt);
  return {};
}

}  // namespace

struct Destination::Delivering {
  Delivering(const DestinationSettings& settings, const std::string& instance)
      : sender(io, settings, instance), routes(io, settings.name, kProbes) {}

  asio::io_context io{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  HttpSender sender;
  HeldRoutes routes;
  std::unique_ptr<MlflowExperiments> experiments;
  std::optional<DeletedTraces> deleted;        // of kind mlflow
  FileStore file_store;                        // the same
  std::unique_ptr<WorkspaceReads> reads;       // null for kind otlp
  std::vector<std::unique_ptr<Track>> tracks;  // the first one's cursor has the destination's name
  std::atomic<bool> notified = false;

  void records_arrived() {
    notified = false;
    for (const auto& track : tracks) track->records_arrived();
  }
};

Destination::Destination(const DestinationSettings& settings, const ContextDefaults& context,
                         spool::Spool& spool)
    : settings_(settings), context_(context), spool_(spool) {}

Destination::~Destination() {
  stop();
  // Coroutines that were left when they did not end still point into it.
  if (left_) [[maybe_unused]]
    const Delivering* const left = delivering_.release();
}

Result<std::shared_ptr<Destination>> Destination::make(const DestinationSettings& settings,
                                                       const ContextDefaults& context, spool::Spool& spool,
                                                       const std::string& instance) {
  std::shared_ptr<Destination> made(new Destination(settings, context, spool));
  if (settings.kind == Kind::local) return made;
  if (const auto tracks = made->make_tracks(instance); !tracks) return std::unexpected(tracks.error());
  return made;
}

Result<> Destination::make_tracks(const std::string& instance) {
  if (const auto cursor = make_cursor(settings_, spool_, settings_.name); !cursor) return cursor;
  delivering_ = std::make_unique<Delivering>(settings_, instance);
  Delivering& delivering = *delivering_;
  delivering.routes.report_to([this, &delivering](const std::vector<HeldRoutes::Held>& held) {
    std::vector<Route> routes;
    std::vector<HeldRoute> told;
    for (const auto& one : held) {
      routes.push_back(one.route);
      told.push_back({describe(one.route), one.reason, one.since_ns});
    }
    delivering.sender.health().set_held(std::move(told));
    // Whoever is not waited for refuses no sender anything.
    if (settings_.when_behind == WhenBehind::block) spool_.hold_routes(settings_.name, std::move(routes));
  });
  if (settings_.kind != Kind::otlp) {
    delivering.experiments = std::make_unique<MlflowExperiments>(settings_, spool_, delivering.sender);
    delivering.reads = std::make_unique<WorkspaceReads>(delivering.io, settings_, delivering.sender);
  }
  if (settings_.kind == Kind::mlflow) delivering.deleted.emplace(spool_, settings_.name);
  const TrackContext context{delivering.io,
                             spool_,
                             settings_,
                             context_,
                             delivering.sender,
                             delivering.experiments.get(),
                             settings_.kind == Kind::otlp ? nullptr : &delivering.routes,
                             delivering.deleted ? &*delivering.deleted : nullptr,
                             settings_.kind == Kind::mlflow ? &delivering.file_store : nullptr};
  if (settings_.kind == Kind::databricks) {
    delivering.tracks.push_back(make_databricks_track(context));
    return {};
  }
  delivering.tracks.push_back(make_otlp_track(context));
  if (settings_.kind == Kind::mlflow) {
    if (const auto cursor = make_cursor(settings_, spool_, settings_.name + "#info"); !cursor) return cursor;
    delivering.tracks.push_back(make_mlflow_info_track(context, *delivering.tracks.front()));
  }
  return {};
}

void Destination::start() {
  if (!delivering_) return;
  Delivering& delivering = *delivering_;
  delivering.work.emplace(delivering.io.get_executor());
  for (const auto& track : delivering.tracks) track->start();
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

void Destination::stop() {
  subscription_.reset();
  if (!thread_.joinable()) return;
  Delivering& delivering = *delivering_;
  if (delivering.reads) delivering.reads->refuse();
  asio::post(delivering.io, [&delivering] {
    if (delivering.reads) delivering.reads->stop();
    for (const auto& track : delivering.tracks) track->stop();
    delivering.sender.stop();
    delivering.routes.stop();
  });
  delivering.work.reset();
  left_ = !ended_within(kStopWithin);
  if (left_) {
    spdlog::error("destination {}: deliveries did not stop within {} s; leaving them", settings_.name,
                  kStopWithin.count() / 1000);
    delivering.io.stop();
  }
  thread_.join();
  if (delivering.reads) delivering.reads->abandon();
  spool_.hold_routes(settings_.name, {});
}

void Destination::drain() {
  draining_ = true;
  if (!delivering_) return;
  Delivering& delivering = *delivering_;
  asio::post(delivering.io, [&delivering] {
    for (const auto& track : delivering.tracks) track->drain();
  });
}

void Destination::read(ReadRequest request, ReadHandler done) {
  if (delivering_ && delivering_->reads) return delivering_->reads->read(std::move(request), std::move(done));
  done(fail(ErrorKind::unavailable, "destination " + settings_.name + " cannot be read from"));
}

ReadState Destination::read_state() const {
  return delivering_ && delivering_->reads ? delivering_->reads->state() : ReadState::none;
}

bool Destination::ended_within(milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [&] { return ended_; });
}

bool Destination::pending() const {
  return delivering_ && std::ranges::any_of(delivering_->tracks, [](const auto& track) {
           return track->cursor().lag_records() > 0;
         });
}

bool Destination::settled(const TraceId& trace, const std::vector<Seq>& records) const {
  return !delivering_ || std::ranges::all_of(delivering_->tracks, [&](const auto& track) {
    return std::ranges::all_of(records, [&](Seq seq) { return track->settled(seq, trace); });
  });
}

bool Destination::is(const DestinationSettings& settings, const ContextDefaults& context) const {
  // OTLP batches go as they came.
  const bool uses_context = settings.kind != Kind::otlp && settings.kind != Kind::local;
  return settings_ == settings && (!uses_context || context_ == context);
}

std::vector<std::string> Destination::cursors() const {
  std::vector<std::string> names;
  if (delivering_)
    for (const auto& track : delivering_->tracks) names.push_back(track->cursor().name());
  return names;
}

DestinationStatus Destination::status() const {
  DestinationStatus status;
  status.name = settings_.name;
  status.kind = name_of(settings_.kind);
  if (!delivering_) {
    // The local view has every span as soon as it is durable.
    status.accounting.accepted = spool_.status().appended_spans;
    status.accounting.settled[Outcome::delivered] = status.accounting.accepted;
    status.delivered_spans = status.accounting.accepted;
    return status;
  }
  delivering_->sender.health().fill(status);
  if (draining_ && status.state == DestinationState::ok) status.state = DestinationState::draining;
  status.accounting = delivering_->tracks.front()->cursor().accounting();
  status.delivered_spans = status.accounting.settled[Outcome::delivered];
  status.dead_letters = 0;
  status.parked_records = delivering_->tracks.front()->cursor().parked().records;
  const std::int64_t now = unix_now_ns();
  for (const auto& track : delivering_->tracks) {
    const spool::Cursor& cursor = track->cursor();
    status.dead_letters += cursor.dead_letters();
    status.lag_records = std::max(status.lag_records, cursor.lag_records());
    if (const std::int64_t oldest = cursor.oldest_pending_ns(); oldest != 0)
      status.lag_s = std::max(status.lag_s, static_cast<double>(now - oldest) / 1e9);
  }
  return status;
}

}  // namespace spanferry::uploader
