// What every handler of the MLflow API works with.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mlflow_api/call.hpp"
#include "ingest/mlflow_api/experiment_book.hpp"
#include "ingest/mlflow_api/recent_requests.hpp"
#include "ingest/mlflow_api/seen_there.hpp"
#include "ingest/mlflow_api/signed_urls.hpp"
#include "ingest/mlflow_api/workspace_reader.hpp"
#include "ingest/patience.hpp"
#include "ingest/settings.hpp"
#include "model/mlflow_trace.hpp"
#include "model/record.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {

class SearchDesk;

// Whom the API speaks for, as daemon found it in the configuration.
struct ApiSettings {
  WorkspaceReader::Kind kind = WorkspaceReader::Kind::local;
  std::string destination;                // its name; empty for `local`
  std::string experiment, experiment_id;  // that of records which name none
  std::string tables;                     // catalog.schema.prefix that it is to be linked to; empty: not said
  bool create_experiment = true;
  std::string sql_warehouse_id;  // for searches that name none
  mlflow::Defaults context;      // what plain OpenTelemetry leaves open
};

// Handlers run on the worker thread of the doors; what they wait for goes on elsewhere. Outlives the doors.
class Api {
 public:
  // The spool and the reader outlive it; there is no reader in tests of `local`.
  Api(spool::Spool& spool, WorkspaceReader* reader, ApiSettings settings);
  ~Api();
  // Reads back what is durable. Errors: those of the spool.
  Result<> load();

  spool::Spool& spool;
  const ApiSettings far_side;
  ExperimentBook experiments;
  UrlSigner signer;
  SeenThere seen_there;

  // Whether a caller may be kept waiting for the far side: it answers, or may yet answer for the first time.
  [[nodiscard]] bool may_ask() const;
  [[nodiscard]] WorkspaceReader* reader() const { return reader_; }
  [[nodiscard]] bool is_local() const { return far_side.kind == WorkspaceReader::Kind::local; }
  [[nodiscard]] mlflow::Flavor flavor() const {
    return far_side.kind == WorkspaceReader::Kind::databricks ? mlflow::Flavor::databricks
                                                              : mlflow::Flavor::open_source;
  }

  // For tests with a clock of their own.
  std::function<std::int64_t()> now_ms;
  mutable RecentRequests recent;
  Patience patience;  // of writes by OTLP too

  // A record about one trace, or about none.
  [[nodiscard]] spool::Entry entry(const Call& call, RecordKind kind, std::string payload,
                                   const std::optional<TraceId>& trace, Route route = {}) const;
  // Answers with `answer` once the records are durable, as the doors do where they are not: 503, and after a
  // while of those 400 to a client that would repeat a 503 in the app's own thread (patience.hpp).
  // `kept` is told the last record before the answer goes out.
  using Kept = std::move_only_function<void(Seq)>;
  void keep(const Call& call, std::vector<spool::Entry> entries, Response answer, Reply reply,
            Kept kept = {});
  void keep(const Call& call, spool::Entry entry, Response answer, Reply reply, Kept kept = {});
  // What a write that cannot be kept now is answered.
  Response refusal(const Error& error, std::string_view client);

 private:
  WorkspaceReader* const reader_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();

 public:
  const std::unique_ptr<SearchDesk> searches;  // the last: its thread uses all of the above
};

// The id of the experiment a trace is in, as clients know it; "0" where nothing says.
std::string experiment_of(const Api& api, const LocalTrace& trace);

// Where what the call writes about a trace in a table is to go; empty for all others.
Route route_of(const Call& call);

// The hash that a repeated request is known by: of method, path and body.
std::uint64_t idempotency_id(const Call& call);

// All paths of the API, for the doors' table.
std::vector<Endpoint> mlflow_endpoints(Api& api);
// POST /api/spanferry/v1/feedback, which is there without the MLflow API too.
Endpoint feedback_endpoint(Api& api);

}  // namespace spanferry::ingest
