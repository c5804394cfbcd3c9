#include "ingest/mlflow_api/trace_files.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/far_trace.hpp"
#include "ingest/mlflow_api/known_trace.hpp"
#include "model/mlflow_json.hpp"
#include "model/mlflow_write.hpp"
#include "model/otlp_json_text.hpp"
#include "model/percent_encode.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::string_view kSpans = "traces.json";
constexpr std::string_view kAttachments = "attachments/";
constexpr std::size_t kMaxNameBytes = 128;

// attachments/ID, and nothing that leads elsewhere.
bool is_attachment(std::string_view path) {
  if (!path.starts_with(kAttachments)) return false;
  path.remove_prefix(kAttachments.size());
  return !path.empty() && path.size() <= kMaxNameBytes && path != "." && path != ".." &&
         std::ranges::all_of(path, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                  c == '_' || c == '.';
         });
}

Response empty_answer() { return {.content_type = "", .body = ""}; }

Response no_such_file(std::string_view path) { return not_there(fmt::format("there is no file {}", path)); }

void keep_spans(Api& api, const Call& call, const TraceId& trace, Route route, Reply reply) {
  std::string storage;
  bool repaired = false;
  const std::string_view text = otlp::mend_json_text(call.body, storage, repaired);
  auto spans = mlflow::parse_spans_file(text);
  if (!spans) return reply(answer_of(spans.error()));
  if (std::ranges::any_of(*spans, [&trace](const auto& span) { return span.trace_id != trace; }))
    return reply(invalid("the span file has spans of another trace"));
  auto entry = api.entry(call, RecordKind::trace_data, std::string(text), trace, std::move(route));
  entry.header.span_count = static_cast<std::uint32_t>(spans->size());
  entry.header.repaired = repaired;
  api.keep(call, std::move(entry), empty_answer(), std::move(reply));
}

Response file_answer(std::string content_type, std::string bytes) {
  if (content_type.empty()) content_type = "application/octet-stream";
  return {.content_type = std::move(content_type), .body = std::move(bytes)};
}

// The last one that was uploaded here, if the spool still has it.
Result<std::optional<Response>> attachment_here(Api& api, const TraceId& trace, std::string_view path) {
  const auto records = records_of_trace(api.spool, trace);
  if (!records) return std::unexpected(records.error());
  std::optional<Response> found;
  for (const Record& record : *records) {
    if (record.header.kind == RecordKind::trace_delete) return std::optional(no_such_file(path));
    if (record.header.kind != RecordKind::artifact) continue;
    const auto artifact = mlflow::parse_artifact(*record.payload);
    if (!artifact || artifact->path != path) continue;
    found = file_answer(artifact->content_type, std::string(artifact->bytes));
  }
  return found;
}

void read_attachment(Api& api, const TraceId& trace, const std::string& experiment, const std::string& path,
                     Reply reply) {
  auto here = attachment_here(api, trace, path);
  if (!here) return reply(answer_of(here.error()));
  if (*here) return reply(**std::move(here));
  if (api.is_local()) return reply(no_such_file(path));
  read_far_file(api, trace, experiment, path,
                [path, reply = std::move(reply)](Result<WorkspaceAnswer> there) mutable {
                  if (there && there->status == 200)
                    return reply(file_answer(std::move(there->content_type), std::move(there->body)));
                  auto otherwise = no_such_file(path);
                  if (!there || there->status != 404) mark_partial(otherwise);
                  reply(std::move(otherwise));
                });
}

}  // namespace

bool is_file_of_a_trace(std::string_view path) { return path == kSpans || is_attachment(path); }

void keep_file(Api& api, const Call& call, const TraceId& trace, const std::string& experiment,
               const std::string& path, Reply reply) {
  Route route;
  if (std::ranges::all_of(experiment, [](char c) { return c >= '0' && c <= '9'; }))
    route.experiment_id = experiment;
  if (path == kSpans) return keep_spans(api, call, trace, std::move(route), std::move(reply));
  if (!is_attachment(path))
    return reply(invalid(fmt::format("only {} and {}ID are taken", kSpans, kAttachments)));
  auto entry = api.entry(call, RecordKind::artifact,
                         encode(mlflow::Artifact{path, std::string(call.content_type), call.body}), trace,
                         std::move(route));
  api.keep(call, std::move(entry), empty_answer(), std::move(reply));
}

void read_file(Api& api, const Call& call, const TraceId& trace, const std::string& experiment,
               const std::string& path, Reply reply) {
  if (is_attachment(path)) return read_attachment(api, trace, experiment, path, std::move(reply));
  if (path != kSpans) return reply(no_such_file(path));
  whole_trace(api, trace, place_of(call), [path, reply = std::move(reply)](Result<KnownTrace> known) mutable {
    if (!known) return reply(answer_of(known.error()));
    const bool is_there = known->trace && known->trace->exists() && known->trace->has_spans;
    auto answer = is_there ? json_answer(mlflow::spans_file(known->trace->spans).body) : no_such_file(path);
    if (known->partial) mark_partial(answer);
    reply(std::move(answer));
  });
}

}  // namespace spanferry::ingest
