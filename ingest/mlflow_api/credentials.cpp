// Uploads and downloads of a trace's files as a workspace has them done: by an address that is asked for
// first, and needs no credential. CONTRACT 2.2.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/known_trace.hpp"
#include "ingest/mlflow_api/trace_files.hpp"

namespace spanferry::ingest {
namespace {

void give_address(Api& api, const Call& call, Signed what, Reply reply) {
  const auto id = mlflow::parse_trace_id(call.parts[0]);
  if (!id) return reply(no_such_trace(call.parts[0]));
  std::string path = call.parameter("path").value_or("traces.json");
  if (!is_file_of_a_trace(path)) return reply(invalid("only attachments/ID can be named by `path`"));
  known_trace(
      api, *id, place_of(call), [](const LocalTrace& trace) { return trace.exists(); },
      [&api, call, id = *id, what, path = std::move(path),
       reply = std::move(reply)](Result<KnownTrace> known) mutable {
        if (!known) return reply(answer_of(known.error()));
        const bool is_there = known->trace && known->trace->exists();
        if (!is_there && (!known->partial || (known->trace && known->trace->deleted)))
          return reply(no_such_trace(id));
        SignedFile file{is_there ? experiment_of(api, *known->trace) : std::string(), id, std::move(path)};
        auto answer = json_answer("");
        JsonWriter json(answer.body);
        json.begin_object().key("credential_info").begin_object();
        json.field("path", fmt::format("tr-{}/artifacts/{}", id.hex(), file.path))
            .field("signed_uri", api.signer.url(call.host, file, what, api.now_ms()));
        json.key("headers").begin_array().end_array().field("type", "AWS_PRESIGNED_URL");
        json.end_object().end_object();
        reply(std::move(answer));
      });
}

Response not_signed() {
  auto answer = error_answer(403, "PERMISSION_DENIED", "this address was not given out here, or is too old");
  return answer;
}

}  // namespace

void credentials_for_upload(Api& api, const Call& call, Reply reply) {
  give_address(api, call, Signed::write, std::move(reply));
}

void credentials_for_download(Api& api, const Call& call, Reply reply) {
  give_address(api, call, Signed::read, std::move(reply));
}

void put_stored(Api& api, const Call& call, Reply reply) {
  const auto file = api.signer.check(call.path, call.query, Signed::write, api.now_ms());
  if (!file) return reply(not_signed());
  keep_file(api, call, file->trace, file->experiment, file->path, std::move(reply));
}

void get_stored(Api& api, const Call& call, Reply reply) {
  const auto file = api.signer.check(call.path, call.query, Signed::read, api.now_ms());
  if (!file) return reply(not_signed());
  read_file(api, call, file->trace, file->experiment, file->path, std::move(reply));
}

}  // namespace spanferry::ingest
