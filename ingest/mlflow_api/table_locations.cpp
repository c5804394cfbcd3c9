// Where the traces of an experiment are kept in Unity Catalog. The workspace makes such a location and links
// experiments to it; while it cannot, both are promised: named as it names them, and done when it is back.
// CONTRACT 2.3.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "model/json_object.hpp"
#include "model/mlflow_table.hpp"
#include "model/mlflow_write.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::chrono::seconds kWait{10};  // of the app: the workspace makes tables

struct WantedLocation {
  std::string catalog, schema, prefix, sql_warehouse_id;
  [[nodiscard]] std::string path() const { return fmt::format("{}.{}.{}", catalog, schema, prefix); }
};

std::optional<WantedLocation> location_in(std::string_view body) {
  const auto request = JsonObject::parse(body, "the body");
  const std::string* json = request ? request->find("uc_table_prefix") : nullptr;
  if (json == nullptr) return std::nullopt;
  const auto prefix = JsonObject::parse(*json, "the prefix");
  if (!prefix) return std::nullopt;
  WantedLocation wanted{prefix->text("catalog_name").value_or(""), prefix->text("schema_name").value_or(""),
                        prefix->text("table_prefix").value_or(""),
                        request->text("sql_warehouse_id").value_or("")};
  if (wanted.catalog.empty() || wanted.schema.empty() || wanted.prefix.empty()) return std::nullopt;
  return wanted;
}

Response location_answer(const WantedLocation& wanted) {
  auto answer = json_answer("");
  JsonWriter json(answer.body);
  json.begin_object().key("uc_table_prefix").begin_object();
  json.field("catalog_name", wanted.catalog)
      .field("schema_name", wanted.schema)
      .field("table_prefix", wanted.prefix);
  for (const std::string_view kind : {"spans", "logs", "metrics", "annotations"})
    json.field(fmt::format("{}_table_name", kind), fmt::format("{}_otel_{}", wanted.path(), kind));
  json.field("location_id", wanted.path()).end_object().end_object();
  return answer;
}

// As the workspace marks an experiment that it has linked.
std::vector<std::pair<std::string, std::string>> tags_of(const WantedLocation& wanted) {
  return {{std::string(mlflow::kDestinationPathTag), wanted.path()},
          {std::string(mlflow::kSpansTableTag), mlflow::table_location(wanted.path(), {}).spans_table}};
}

// What the far side says; nothing if it is away, or cannot do now what it is asked.
void ask(Api& api, const Call& call, std::move_only_function<void(std::optional<Response>)> done) {
  if (!api.may_ask()) return done(std::nullopt);
  WorkspaceRequest request;
  request.method = call.method;
  request.path = std::string(call.path);
  if (!call.query.empty()) request.path += fmt::format("?{}", call.query);
  request.body = call.body;
  request.deadline = kWait;
  api.reader()->read(std::move(request), [done = std::move(done)](Result<WorkspaceAnswer> answer) mutable {
    if (!answer || answer->status == 401 || answer->status == 429 || answer->status >= 500)
      return done(std::nullopt);
    Response said = json_answer(std::move(answer->body));
    said.status = answer->status;
    done(std::move(said));
  });
}

// Only a workspace has such locations.
bool may_be_promised(const Api& api) { return api.far_side.kind == WorkspaceReader::Kind::databricks; }

Response away() {
  return answer_of({ErrorKind::unavailable, "the destination does not answer; try again later"});
}

void promise_location(Api& api, const Call& call, const WantedLocation& wanted, Reply reply) {
  auto entry =
      api.entry(call, RecordKind::experiment_edit,
                encode(mlflow::ExperimentEdit(mlflow::MakeLocation{wanted.path(), wanted.sql_warehouse_id})),
                std::nullopt);
  auto answer = location_answer(wanted);
  mark_partial(answer);
  api.keep(call, std::move(entry), std::move(answer), std::move(reply));
}

void promise_link(Api& api, const Call& call, const WantedLocation& wanted, Reply reply) {
  Route route;
  route.experiment_id = call.parts[0];
  auto entry = api.entry(call, RecordKind::experiment_edit,
                         encode(mlflow::ExperimentEdit(mlflow::LinkLocation{wanted.path()})), std::nullopt,
                         std::move(route));
  auto answer = json_answer("{}");
  mark_partial(answer);
  api.keep(call, std::move(entry), std::move(answer), std::move(reply),
           [&api, id = std::string(call.parts[0]), tags = tags_of(wanted)](Seq seq) {
             for (const auto& [key, value] : tags) api.experiments.edit(id, key, value, seq);
           });
}

// The next look-up says that it is linked, before the far side is asked anew.
void mark_linked(Api& api, Experiment experiment, const WantedLocation& wanted,
                 std::move_only_function<void(Result<>)> done = {}) {
  for (const auto& [key, value] : tags_of(wanted)) experiment.set_tag(key, value);
  api.experiments.put(std::move(experiment), std::move(done));
}

void link_here(Api& api, const Call& call, const WantedLocation& wanted, Reply reply) {
  auto experiment = api.experiments.by_id(call.parts[0]);
  if (!experiment) return reply(not_there(fmt::format("No Experiment with id={} exists", call.parts[0])));
  mark_linked(api, *std::move(experiment), wanted, [reply = std::move(reply)](Result<> kept) mutable {
    reply(kept ? json_answer("{}") : answer_of(kept.error()));
  });
}

bool says_not_there(const Response& said) {
  const auto body = JsonObject::parse(said.body, "the answer");
  return said.status == 404 && body && body->text("error_code") == "RESOURCE_DOES_NOT_EXIST";
}

}  // namespace

void make_table_location(Api& api, const Call& call, Reply reply) {
  const auto wanted = location_in(call.body);
  if (!wanted) return reply(missing("uc_table_prefix"));
  if (api.is_local()) return reply(location_answer(*wanted));
  ask(api, call,
      [&api, call, wanted = *wanted, reply = std::move(reply)](std::optional<Response> said) mutable {
        if (said) return reply(*std::move(said));
        if (!may_be_promised(api)) return reply(away());
        promise_location(api, call, wanted, std::move(reply));
      });
}

void read_table_location(Api& api, const Call& call, Reply reply) {
  if (api.is_local()) return reply(not_there("locations are not kept without a workspace"));
  ask(api, call, [reply = std::move(reply)](std::optional<Response> said) mutable {
    reply(said ? *std::move(said) : away());
  });
}

void link_table_location(Api& api, const Call& call, Reply reply) {
  const auto wanted = location_in(call.body);
  if (!wanted) return reply(missing("uc_table_prefix"));
  if (api.is_local()) return link_here(api, call, *wanted, std::move(reply));
  auto known = api.experiments.by_id(call.parts[0]);
  // The far side does not know it by the id that clients do.
  if (known && known->provisional() && may_be_promised(api))
    return promise_link(api, call, *wanted, std::move(reply));
  ask(api, call,
      [&api, call, known, wanted = *wanted, reply = std::move(reply)](std::optional<Response> said) mutable {
        // That may be a location which is promised and not made yet.
        if (said && !(known && says_not_there(*said))) {
          if (said->status == 200 && known) mark_linked(api, *std::move(known), wanted);
          return reply(*std::move(said));
        }
        if (!may_be_promised(api)) return reply(said ? *std::move(said) : away());
        promise_link(api, call, wanted, std::move(reply));
      });
}

}  // namespace spanferry::ingest
