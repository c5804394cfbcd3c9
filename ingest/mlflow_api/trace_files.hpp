// The files of a trace, by whichever way they are asked for: artifact paths or signed addresses.
#pragma once

#include "ingest/mlflow_api/api.hpp"

namespace spanferry::ingest {

// traces.json or attachments/ID.
bool is_file_of_a_trace(std::string_view path);

// Keeps the call's body as the trace's `path`: traces.json or attachments/ID. 400 for other paths, and for a
// span file that cannot be read.
void keep_file(Api& api, const Call& call, const TraceId& trace, const std::string& experiment,
               const std::string& path, Reply reply);
// Answers with it: from here, or from the far side.
void read_file(Api& api, const Call& call, const TraceId& trace, const std::string& experiment,
               const std::string& path, Reply reply);

}  // namespace spanferry::ingest
