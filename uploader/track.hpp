// A track reads the log for one destination with a cursor of its own: OTLP batches, or whole traces. A
// destination has one, or two (MLflow: spans by OTLP, then what only StartTrace carries); its position is
// that of the slowest.
#pragma once

#include <memory>

#include <boost/asio/io_context.hpp>

#include "model/status.hpp"
#include "spool/cursor.hpp"
#include "spool/spool.hpp"
#include "uploader/deleted_traces.hpp"
#include "uploader/experiments.hpp"
#include "uploader/file_store.hpp"
#include "uploader/held_routes.hpp"
#include "uploader/sender.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

// What every track of one destination works with; outlives the tracks.
struct TrackContext {
  boost::asio::io_context& io;  // of the deliver thread
  spool::Spool& spool;
  const DestinationSettings& settings;
  const ContextDefaults& context;
  Sender& sender;
  Experiments* experiments;          // null for kind otlp
  HeldRoutes* routes = nullptr;      // the same
  DeletedTraces* deleted = nullptr;  // of an MLflow server, where spans and deletions go by two tracks
  FileStore* file_store = nullptr;   // the same
};

// Lives on the deliver thread; accessors marked so may be called from any.
class Track {
 public:
  virtual ~Track() = default;
  virtual void start() = 0;            // spawns its coroutines
  virtual void records_arrived() = 0;  // the log has grown
  virtual void drain() = 0;            // send what is due without waiting for more
  // Ends its coroutines soon: cancels its own waits. Sends under way come back as Action::stopped by
  // themselves. The loop runs on until all of them have returned; only then the track dies.
  virtual void stop() = 0;
  virtual spool::Cursor& cursor() = 0;
  // Any thread: whether that trace's part of that record is done here.
  [[nodiscard]] virtual bool settled(Seq seq, const TraceId& trace) const = 0;
};

// Whether that trace's part of that record is parked there. Any thread.
bool is_parked(spool::Cursor& cursor, Seq seq, const TraceId& trace);

// OTLP batches: kinds otlp and mlflow (one experiment a request).
std::unique_ptr<Track> make_otlp_track(TrackContext context);
// Whole traces to Databricks experiment storage.
std::unique_ptr<Track> make_databricks_track(TrackContext context);
// MLflow: one StartTrace for each trace that needs it, once `spans` has delivered its records.
std::unique_ptr<Track> make_mlflow_info_track(TrackContext context, const Track& spans);

}  // namespace spanferry::uploader
