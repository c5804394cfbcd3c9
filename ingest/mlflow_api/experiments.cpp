// Experiments: look-ups are made in the app's own thread, so they are answered from what is known here.
// CONTRACT 1.7.
#include <algorithm>

#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/experiment_json.hpp"
#include "ingest/mlflow_api/experiment_lookup.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "model/json_object.hpp"
#include "model/mlflow_text.hpp"
#include "model/mlflow_write.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::size_t kMaxName = 500;             // characters
constexpr std::chrono::milliseconds kWait{1000};  // of the app, for an experiment to be made
constexpr std::int64_t kRepeatMs = 10 * 60 * 1000;

Response experiment_answer(const Experiment& experiment, Reader reader) {
  auto answer = json_answer("");
  JsonWriter json(answer.body);
  json.begin_object().key("experiment");
  write_experiment(json, experiment, reader);
  json.end_object();
  return answer;
}

Response id_answer(std::string_view id) {
  return json_answer(fmt::format(R"({{"experiment_id":"{}"}})", id));
}

std::vector<std::pair<std::string, std::string>> tags_in(const JsonObject& body) {
  std::vector<std::pair<std::string, std::string>> tags;
  for (const std::string& json : body.list("tags"))
    if (const auto tag = JsonObject::parse(json, "the tag"))
      tags.emplace_back(tag->text("key").value_or(""), tag->text("value").value_or(""));
  return tags;
}

void reply_with(Result<KnownExperiment> known, Reader reader, Response otherwise, Reply& reply) {
  if (!known) return reply(answer_of(known.error()));
  auto answer = known->experiment ? experiment_answer(*known->experiment, reader) : std::move(otherwise);
  if (known->partial) mark_partial(answer);
  reply(std::move(answer));
}

Response taken(std::string_view name) {
  return error_answer(400, "RESOURCE_ALREADY_EXISTS",
                      fmt::format("Experiment(name={}) already exists.", name));
}

std::optional<Response> unusable_name(const std::string& name) {
  if (name.empty()) return missing("name");
  if (mlflow::count_characters(name) > kMaxName)
    return invalid(fmt::format("'name' exceeds the maximum length of {} characters", kMaxName));
  return std::nullopt;
}

void create_here(Api& api, Experiment experiment, Reply reply) {
  auto id = std::make_shared<std::string>();
  auto done = [&api, id, reply = std::move(reply)](Result<> kept) mutable {
    if (!kept && kept.error().kind == ErrorKind::too_large) return reply(invalid(kept.error().sentence));
    if (!kept) return reply(api.refusal(kept.error(), ""));
    auto answer = id_answer(*id);
    answer.accepted_spans = 0;
    reply(std::move(answer));
  };
  // The id is known before anything is durable, hence before `done`, unless it is refused.
  experiment.id = api.experiments.next_id();
  *id = experiment.id;
  api.experiments.put(std::move(experiment), std::move(done));
}

// The far side cannot make it now: it gets a provisional id, and is made when that one is back.
void create_later(Api& api, const Call& call, Experiment experiment, Reply reply) {
  auto tags = experiment.tags;
  give_provisional_id(
      api, experiment.name, experiment.tags, experiment.made_by,
      [&api, call, tags = std::move(tags), reply = std::move(reply)](Result<KnownExperiment> known) mutable {
        if (!known) return reply(api.refusal(known.error(), call.client));
        const Experiment& made = *known->experiment;
        Route route;
        route.experiment_id = made.id;
        auto entry = api.entry(
            call, RecordKind::experiment_edit,
            encode(mlflow::ExperimentEdit(mlflow::CreateExperiment{made.name, made.id, std::move(tags)})),
            std::nullopt, std::move(route));
        entry.header.idempotency_id = made.made_by;
        api.keep(call, std::move(entry), id_answer(made.id), std::move(reply),
                 [&api, id = made.id](Seq seq) { api.experiments.edit(id, "", "", seq); });
      });
}

// Asks the far side to make it, so that the client gets the id it has there.
void create_there(Api& api, const Call& call, Experiment experiment, Reply reply) {
  WorkspaceRequest request;
  request.method = "POST";
  request.path = "/api/2.0/mlflow/experiments/create";
  request.body = call.body;
  request.deadline = kWait;
  api.reader()->read(std::move(request),
                     [&api, call, unseen = UnseenEdits(api), experiment = std::move(experiment),
                      reply = std::move(reply)](Result<WorkspaceAnswer> answer) mutable {
                       if (answer && answer->status == 200) {
                         const auto body = JsonObject::parse(answer->body, "the answer");
                         if (auto id = body ? body->text("experiment_id") : std::nullopt) {
                           experiment.far_id = *id;
                           keep_experiment(api, std::move(experiment), unseen);
                           auto made = id_answer(*id);
                           made.accepted_spans = 0;
                           return reply(std::move(made));
                         }
                       }
                       if (answer && answer->status >= 400 && answer->status < 500 && answer->status != 401 &&
                           answer->status != 403 && answer->status != 429) {
                         Response refused = json_answer(std::move(answer->body));
                         refused.status = answer->status;
                         return reply(std::move(refused));
                       }
                       create_later(api, call, std::move(experiment), std::move(reply));
                     });
}

}  // namespace

void experiment_by_name(Api& api, const Call& call, Reply reply) {
  auto name = call.parameter("experiment_name");
  if (!name || name->empty()) return reply(missing("experiment_name"));
  auto otherwise = not_there(fmt::format("Could not find experiment with name '{}'", *name));
  look_up_name(api, *std::move(name),
               [reader = call.reader, otherwise = std::move(otherwise),
                reply = std::move(reply)](Result<KnownExperiment> known) mutable {
                 reply_with(std::move(known), reader, std::move(otherwise), reply);
               });
}

void experiment_by_id(Api& api, const Call& call, Reply reply) {
  auto id = call.parameter("experiment_id");
  if (!id || id->empty()) return reply(missing("experiment_id"));
  auto otherwise = not_there(fmt::format("No Experiment with id={} exists", *id));
  look_up_id(api, *std::move(id),
             [reader = call.reader, otherwise = std::move(otherwise),
              reply = std::move(reply)](Result<KnownExperiment> known) mutable {
               reply_with(std::move(known), reader, std::move(otherwise), reply);
             });
}

void create_experiment(Api& api, const Call& call, Reply reply) {
  const auto body = JsonObject::parse(call.body, "the body");
  if (!body) return reply(answer_of(body.error()));
  Experiment experiment;
  experiment.name = body->text("name").value_or("");
  if (auto refused = unusable_name(experiment.name)) return reply(*std::move(refused));
  experiment.tags = tags_in(*body);
  experiment.created_ms = experiment.updated_ms = api.now_ms();
  experiment.made_by = idempotency_id(call);
  if (const auto known = api.experiments.by_name(experiment.name)) {
    // The same request again: its answer was lost.
    const bool repeated =
        known->made_by == experiment.made_by && experiment.created_ms - known->created_ms < kRepeatMs;
    return reply(repeated ? id_answer(known->id) : taken(experiment.name));
  }
  if (api.is_local()) return create_here(api, std::move(experiment), std::move(reply));
  if (api.may_ask()) return create_there(api, call, std::move(experiment), std::move(reply));
  create_later(api, call, std::move(experiment), std::move(reply));
}

void set_experiment_tag(Api& api, const Call& call, Reply reply) {
  const auto body = JsonObject::parse(call.body, "the body");
  if (!body) return reply(answer_of(body.error()));
  const auto id = body->text("experiment_id");
  const auto key = body->text("key");
  if (!id) return reply(missing("experiment_id"));
  if (!key || key->empty()) return reply(missing("key"));
  const std::string value = body->text("value").value_or("");
  auto known = api.experiments.by_id(*id);
  if (!known && api.is_local()) return reply(not_there(fmt::format("No Experiment with id={} exists", *id)));
  if (known && api.is_local()) {
    known->set_tag(*key, value);
    if (api.experiments.put(*std::move(known)).empty())
      return reply(invalid("the tags of this experiment take more than is kept of one"));
  }
  Route route;
  route.experiment_id = *id;
  auto entry = api.entry(call, RecordKind::experiment_edit,
                         encode(mlflow::ExperimentEdit(mlflow::SetExperimentTag{*key, value})), std::nullopt,
                         std::move(route));
  Api::Kept kept;
  if (!api.is_local())
    kept = [&api, id = *id, key = *key, value](Seq seq) { api.experiments.edit(id, key, value, seq); };
  api.keep(call, std::move(entry), json_answer("{}"), std::move(reply), std::move(kept));
}

}  // namespace spanferry::ingest
