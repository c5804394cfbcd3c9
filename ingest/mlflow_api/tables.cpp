// Traces in Unity Catalog tables (V4), and the tables themselves. CONTRACT 2.3.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/minted.hpp"
#include "model/json_object.hpp"
#include "model/mlflow_table.hpp"
#include "model/mlflow_write.hpp"

namespace spanferry::ingest {
namespace {

// A change of the workspace itself, which nobody can promise but the workspace.
void pass_on(Api& api, const Call& call, Reply reply) {
  if (!api.may_ask())
    return reply(
        answer_of({ErrorKind::unavailable, "tables are made by the workspace, which does not answer"}));
  WorkspaceRequest request;
  request.method = call.method;
  request.path = std::string(call.path);
  if (!call.query.empty()) request.path += fmt::format("?{}", call.query);
  request.body = call.body;
  api.reader()->read(std::move(request), [reply = std::move(reply)](Result<WorkspaceAnswer> answer) mutable {
    if (!answer)
      return reply(
          answer_of({ErrorKind::unavailable, "the workspace did not answer: " + answer.error().sentence}));
    Response passed = json_answer(std::move(answer->body));
    passed.status = answer->status;
    reply(std::move(passed));
  });
}

struct TableNames {
  std::string catalog, schema, prefix;
  [[nodiscard]] std::string path() const { return fmt::format("{}.{}.{}", catalog, schema, prefix); }
};

std::optional<TableNames> names_in(std::string_view body) {
  const auto request = JsonObject::parse(body, "the body");
  const std::string* json = request ? request->find("uc_table_prefix") : nullptr;
  const auto prefix = json == nullptr ? JsonObject::parse("{}", "") : JsonObject::parse(*json, "the prefix");
  if (!prefix) return std::nullopt;
  TableNames names{prefix->text("catalog_name").value_or(""), prefix->text("schema_name").value_or(""),
                   prefix->text("table_prefix").value_or("")};
  if (names.catalog.empty() || names.schema.empty() || names.prefix.empty()) return std::nullopt;
  return names;
}

}  // namespace

void start_trace_v4(Api& api, const Call& call, Reply reply) {
  auto info = mlflow::parse_written_info(call.body);
  if (!info) return reply(answer_of(info.error()));
  if (mlflow::parse_trace_id(call.parts[0]) != info->trace)
    return reply(invalid("the path and the trace info name different traces"));
  if (!mlflow::is_location_path(call.location))
    return reply(invalid("the location must be CATALOG.SCHEMA or CATALOG.SCHEMA.PREFIX"));
  info->location = call.location;
  info->experiment_id.clear();
  mint_assessment_ids(*info);
  LocalTrace trace;
  trace.id = info->trace;
  trace.started = true;
  trace.info = *info;
  for (const std::string& one : info->assessments)
    if (const auto assessment = JsonObject::parse(one, "the assessment")) trace.assessments.put(*assessment);
  auto answer = json_answer("");
  JsonWriter json(answer.body);
  write_trace_info_v4(json, trace, info->location);
  auto entry = api.entry(call, RecordKind::trace_info, encode(*info), info->trace, route_of(call));
  api.keep(call, std::move(entry), std::move(answer), std::move(reply));
}

void make_table_location(Api& api, const Call& call, Reply reply) {
  if (!api.is_local()) return pass_on(api, call, std::move(reply));
  const auto names = names_in(call.body);
  if (!names) return reply(missing("uc_table_prefix"));
  auto answer = json_answer("");
  JsonWriter json(answer.body);
  json.begin_object().key("uc_table_prefix").begin_object();
  json.field("catalog_name", names->catalog)
      .field("schema_name", names->schema)
      .field("table_prefix", names->prefix);
  for (const std::string_view kind : {"spans", "logs", "metrics", "annotations"})
    json.field(fmt::format("{}_table_name", kind), fmt::format("{}_otel_{}", names->path(), kind));
  json.field("location_id", names->path()).end_object().end_object();
  reply(std::move(answer));
}

void read_table_location(Api& api, const Call& call, Reply reply) {
  if (!api.is_local()) return pass_on(api, call, std::move(reply));
  reply(not_there("locations are not kept without a workspace"));
}

void link_table_location(Api& api, const Call& call, Reply reply) {
  if (!api.is_local()) return pass_on(api, call, std::move(reply));
  const auto names = names_in(call.body);
  if (!names) return reply(missing("uc_table_prefix"));
  auto experiment = api.experiments.by_id(call.parts[0]);
  if (!experiment) return reply(not_there(fmt::format("No Experiment with id={} exists", call.parts[0])));
  const auto set = [&](std::string_view key, std::string value) {
    std::erase_if(experiment->tags, [key](const auto& tag) { return tag.first == key; });
    experiment->tags.emplace_back(key, std::move(value));
  };
  set(mlflow::kDestinationPathTag, names->path());
  set(mlflow::kSpansTableTag, mlflow::table_location(names->path(), {}).spans_table);
  api.experiments.put(*std::move(experiment), [reply = std::move(reply)](Result<> kept) mutable {
    reply(kept ? json_answer("{}") : answer_of(kept.error()));
  });
}

}  // namespace spanferry::ingest
