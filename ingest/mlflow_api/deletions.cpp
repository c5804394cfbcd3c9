// Deleting traces, by id or by time. CONTRACT 1.9.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/local_trace.hpp"
#include "model/json_object.hpp"
#include "model/mlflow_text.hpp"
#include "spool/each_summary.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::size_t kMaxIds = 10'000;

spool::Entry deletion_of(const Api& api, const Call& call, const TraceId& id, const std::string& experiment) {
  Route route;
  route.experiment_id = experiment;
  return api.entry(call, RecordKind::trace_delete, encode(mlflow::TraceDelete{}), id, std::move(route));
}

Response deleted_answer(std::size_t count) {
  return json_answer(fmt::format(R"({{"traces_deleted":{}}})", count));
}

Result<bool> is_here(Api& api, const TraceId& id) {
  const auto trace = local_trace(api.spool, id, api.flavor(), api.far_side.context);
  if (!trace) return std::unexpected(trace.error());
  return *trace && (*trace)->exists();
}

void delete_by_id(Api& api, const Call& call, const std::string& experiment,
                  const std::vector<std::string>& names, Reply reply) {
  if (names.size() > kMaxIds) return reply(invalid(fmt::format("at most {} traces at a time", kMaxIds)));
  std::vector<spool::Entry> entries;
  std::size_t count = 0;
  for (const std::string& json : names) {
    const auto name = mlflow::json_string(json);
    const auto id = name ? mlflow::parse_trace_id(*name) : std::nullopt;
    if (!id) continue;  // the server deletes those it finds
    const auto here = is_here(api, *id);
    if (!here) return reply(answer_of(here.error()));
    if (!*here && api.is_local()) continue;
    ++count;
    entries.push_back(deletion_of(api, call, *id, experiment));
  }
  if (entries.empty()) return reply(deleted_answer(0));
  api.keep(call, std::move(entries), deleted_answer(count), std::move(reply));
}

struct Aged {
  TraceId id;
  std::int64_t began_ms;
};

// The traces of the experiment that are here and began no later, the oldest first.
Result<std::vector<Aged>> older_ones(Api& api, const std::string& experiment, std::int64_t max_ms) {
  std::vector<Aged> found;
  std::optional<Error> error;
  const auto looked = spool::each_summary(api.spool, [&](const spool::TraceSummary& summary) {
    const auto trace = local_trace(api.spool, summary.trace_id, api.flavor(), api.far_side.context);
    if (!trace) {
      error = trace.error();
      return false;
    }
    if (!*trace || !(*trace)->exists() || experiment_of(api, **trace) != experiment) return true;
    const std::int64_t began = (*trace)->info.request_time_ms.value_or(summary.start_ns / 1'000'000);
    if (began <= max_ms) found.push_back({summary.trace_id, began});
    return true;
  });
  if (!looked) return std::unexpected(looked.error());
  if (error) return std::unexpected(*std::move(error));
  std::ranges::sort(found, {}, [](const Aged& trace) { return std::tuple(trace.began_ms, trace.id); });
  return found;
}

void delete_by_time(Api& api, const Call& call, const std::string& experiment,
                    const mlflow::TraceDelete& deletion, Reply reply) {
  auto found = older_ones(api, experiment, deletion.max_timestamp_ms);
  if (!found) return reply(answer_of(found.error()));
  if (deletion.max_traces != 0 && found->size() > deletion.max_traces) found->resize(deletion.max_traces);
  std::vector<spool::Entry> entries;
  for (const Aged& trace : *found) entries.push_back(deletion_of(api, call, trace.id, experiment));
  if (!api.is_local()) {
    // What has left the spool already only the far side can find; of a number, what was found here is a part.
    mlflow::TraceDelete rest = deletion;
    const bool any_left = rest.max_traces == 0 || found->size() < rest.max_traces;
    if (rest.max_traces != 0) rest.max_traces -= static_cast<std::uint32_t>(found->size());
    Route route;
    route.experiment_id = experiment;
    if (any_left)
      entries.push_back(
          api.entry(call, RecordKind::trace_delete, encode(rest), std::nullopt, std::move(route)));
  }
  if (entries.empty()) return reply(deleted_answer(0));
  api.keep(call, std::move(entries), deleted_answer(found->size()), std::move(reply));
}

}  // namespace

void delete_traces(Api& api, const Call& call, Reply reply) {
  const auto body = JsonObject::parse(call.body, "the body");
  if (!body) return reply(answer_of(body.error()));
  const auto experiment = body->text("experiment_id");
  if (!experiment) return reply(missing("experiment_id"));
  auto names = body->list("request_ids");
  if (names.empty()) names = body->list("trace_ids");
  const auto time = body->integer("max_timestamp_millis");
  if (names.empty() == !time)
    return reply(invalid("Either `max_timestamp_millis` or `trace_ids` must be specified, but not both."));
  if (!names.empty()) return delete_by_id(api, call, *experiment, names, std::move(reply));
  const auto most = body->integer("max_traces");
  if (most && (*most <= 0 || *most > UINT32_MAX))
    return reply(invalid("`max_traces` must be a positive integer"));
  delete_by_time(api, call, *experiment, {*time, static_cast<std::uint32_t>(most.value_or(0))},
                 std::move(reply));
}

}  // namespace spanferry::ingest
