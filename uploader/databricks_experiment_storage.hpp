// Whole traces to Databricks experiment storage: StartTrace first, then the span file to the storage behind
// the workspace. What is there already is never replaced by less, whoever else writes to the same trace.
// CONTRACT 2.2.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <unordered_map>

#include "model/mlflow_json.hpp"
#include "uploader/databricks_storage.hpp"
#include "uploader/file_fitting.hpp"
#include "uploader/trace_parts.hpp"
#include "uploader/trace_track.hpp"

namespace spanferry::uploader {

struct UnionTuning {
  // What was seen of a trace holds for this long; then it is looked at again before its file is written.
  std::chrono::milliseconds fresh{30'000};
  // How long another daemon that has begun to write is waited for: until nothing it can have sent is still
  // under way.
  std::chrono::milliseconds patience{120'000};
  std::chrono::milliseconds again_in{500};
};

// Lives on the deliver thread; several deliveries are under way at once.
class ExperimentStorageDelivery {
 public:
  explicit ExperimentStorageDelivery(const TrackContext& context, UnionTuning tuning = {});

  // To that experiment; a trace that is there already stays in its own. Fails when the experiment, or the
  // trace between two calls, is gone: everything is to be asked for anew.
  boost::asio::awaitable<std::expected<TraceOutcome, Verdict>> deliver(GatheredTrace& gathered,
                                                                       std::string experiment);
  void stop() { calls_.sleeps().stop(); }

 private:
  using Clock = std::chrono::steady_clock;
  // Somebody else's turn at a trace.
  struct Wait {
    std::string what;
    Clock::time_point since;
    bool wrote = false;     // ours are written, and only looked for
    bool tags_due = false;  // as in Upload
  };
  struct Upload;

  boost::asio::awaitable<Verdict> look(Upload& upload);
  boost::asio::awaitable<Verdict> tell(Upload& upload);
  boost::asio::awaitable<Verdict> tell(Upload& upload, const mlflow::TraceInfo& info, mlflow::WithTags tags);
  [[nodiscard]] bool is_alone(const Upload& upload) const;
  boost::asio::awaitable<Verdict> start_trace(const mlflow::TraceInfo& info, const std::string& experiment,
                                              mlflow::WithTags tags);
  boost::asio::awaitable<bool> pause_unsupported(const Verdict& verdict);
  boost::asio::awaitable<Verdict> put(Upload& upload, std::string body);
  boost::asio::awaitable<Verdict> put_once(Upload& upload, std::string body);

  // with others (databricks_union.cpp)

  boost::asio::awaitable<Verdict> join(Upload& upload);
  boost::asio::awaitable<Verdict> find(Upload& upload);
  boost::asio::awaitable<Verdict> write(Upload& upload);
  boost::asio::awaitable<Verdict> announce(Upload& upload);
  boost::asio::awaitable<Verdict> retract(Upload& upload);
  boost::asio::awaitable<Verdict> read(Upload& upload);
  boost::asio::awaitable<Verdict> tell_union(Upload& upload, const mlflow::SpansFile& file);
  bool must_wait(Upload& upload, std::string what, bool wrote);

  const TrackContext context_;
  const UnionTuning tuning_;
  const Seq end_at_start_;  // what came in before may have been sent by the process before
  TraceParts parts_;
  TraceCalls calls_;
  DatabricksStorage storage_;
  std::unordered_map<TraceId, Wait> waits_;
};

struct ExperimentStorageDelivery::Upload {
  GatheredTrace& gathered;
  std::string experiment;
  bool root_here = false;
  bool has_root = false;                     // we saw the root, now or before: the scalars are ours to tell
  std::optional<mlflow::KnownInfo> known{};  // the trace as it was last seen there
  Clock::time_point seen{};                  // when that was asked for
  int internal_errors = 0;                   // of the storage
  FileFitting fitting;                       // where the file is too large
  bool told_before = false;                  // as we remember
  bool tags_told = false;                    // by this delivery
  bool tags_due = false;                     // the root's tags, told by us for the first time
  bool first = false;                        // we told and found nobody: whoever comes waits for our file

  // with others
  std::vector<mlflow::StoredSpan> ours{};  // gathered.trace.spans holds what is known of theirs too
  bool file_there = false;
  bool root_there = false;     // in the file
  std::size_t missing = 0;     // of ours and of what we have seen there, in the file
  std::string announcement{};  // what our tag says, once announced
  std::string others{};        // what theirs said after that
  bool later = false;          // it is another's turn, or the spool cannot be read now
};

}  // namespace spanferry::uploader
