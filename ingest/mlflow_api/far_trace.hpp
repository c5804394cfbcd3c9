// One trace as the far side has it: an MLflow server's, or a workspace's, in its experiment storage or in a
// table of Unity Catalog. CONTRACT 1.4, 2.2, 2.3.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ingest/mlflow_api/api.hpp"

namespace spanferry::ingest {

struct FarTrace {
  std::optional<std::string> info;  // a TraceInfo object; nothing: it has no such trace
  std::vector<mlflow::StoredSpan> spans;
  bool partial = false;  // it did not answer, or not to all of it
};

// Where a workspace keeps a trace.
struct TracePlace {
  std::string location;   // of a table: catalog.schema[.prefix]; empty: in experiment storage
  std::string warehouse;  // that reads the table, if the client named one
  bool is_a_guess =
      false;  // the client did not say the location: if it is not there, experiment storage may have it
};

// `done` is called once, within 2 s.
void read_far_trace(Api& api, const TraceId& id, const TracePlace& place, bool with_spans,
                    std::move_only_function<void(FarTrace)> done);

// A file beside a trace of experiment storage, or of a server: attachments/ID. `experiment`: as clients know
// it. `done` is called once, with the answer to the read, within 10 s.
void read_far_file(Api& api, const TraceId& id, const std::string& experiment, const std::string& path,
                   std::move_only_function<void(Result<WorkspaceAnswer>)> done);

}  // namespace spanferry::ingest
