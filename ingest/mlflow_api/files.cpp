// Files beside a trace: its spans as traces.json, and attachments. CONTRACT 1.3.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/trace_files.hpp"

namespace spanferry::ingest {
namespace {

struct File {
  std::string experiment;
  std::optional<TraceId> trace;
  std::string path;
};

File file_of(const Call& call) {
  return {std::string(call.parts[0]), mlflow::parse_trace_id(call.parts[1]), std::string(call.parts[2])};
}

}  // namespace

void put_artifact(Api& api, const Call& call, Reply reply) {
  const File file = file_of(call);
  if (!file.trace) return reply(invalid("the path names no trace: tr- and 32 hex digits"));
  keep_file(api, call, *file.trace, file.experiment, file.path, std::move(reply));
}

void get_artifact(Api& api, const Call& call, Reply reply) {
  const File file = file_of(call);
  if (!file.trace) return reply(not_there("the path names no trace"));
  read_file(api, call, *file.trace, file.experiment, file.path, std::move(reply));
}

}  // namespace spanferry::ingest
