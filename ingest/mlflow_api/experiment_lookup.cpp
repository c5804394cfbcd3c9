#include "ingest/mlflow_api/experiment_lookup.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "model/json_object.hpp"
#include "model/log_limiter.hpp"
#include "model/mlflow_table.hpp"
#include "model/percent_encode.hpp"
#include "model/provisional_id.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::chrono::milliseconds kWait{1000};      // of a caller, for one that is not known
constexpr std::chrono::milliseconds kBehind{10'000};  // of nobody
constexpr std::int64_t kFreshMs = 30'000;             // not asked for again so soon
constexpr std::size_t kMaxAnswerBytes = 1U << 20;
constexpr unsigned kMaxAttempts = 8;

WorkspaceRequest request_for(std::string path, std::chrono::milliseconds deadline) {
  WorkspaceRequest request;
  request.path = std::move(path);
  request.deadline = deadline;
  request.max_answer_bytes = kMaxAnswerBytes;
  return request;
}

std::string by_name_path(std::string_view name) {
  return "/api/2.0/mlflow/experiments/get-by-name?experiment_name=" + percent_encode(name);
}

// Nobody waits for it: what it says is there for the next one.
void refresh(Api& api, const Experiment& known) {
  if (!api.may_ask() || !api.experiments.is_due(known.name, api.now_ms(), kFreshMs)) return;
  api.reader()->read(request_for(by_name_path(known.name), kBehind),
                     [&api, unseen = UnseenEdits(api)](Result<WorkspaceAnswer> answer) {
                       if (!answer || answer->status != 200) return;
                       if (auto experiment = parse_experiment(answer->body))
                         keep_experiment(api, *std::move(experiment), unseen);
                     });
}

// Whose id nobody told us, of a far side that cannot be asked: the client gets its traces through.
Experiment taken_on_trust(std::string id) {
  Experiment experiment;
  experiment.name = id;
  experiment.far_id = id;
  experiment.id = std::move(id);
  return experiment;
}

// An id of ours that is not in the book: the spool was lost, and with it the name.
Experiment lost_provisional(const Api& api, std::string id) {
  static LogLimiter limiter;
  if (const auto left_out = limiter.allow())
    spdlog::warn(
        "experiment id {} was given out by an earlier spool: it stands for the configured experiment ({} "
        "more "
        "since the last line)",
        id, *left_out);
  Experiment experiment;
  experiment.name = api.far_side.experiment.empty() ? id : api.far_side.experiment;
  experiment.id = std::move(id);
  return experiment;
}

// A client reads from these tags that its traces go to tables, and how to search for them.
void add_configured_tables(const Api& api, Experiment& experiment) {
  if (api.far_side.tables.empty() || experiment.name != api.far_side.experiment) return;
  const auto location = mlflow::table_location(api.far_side.tables, "");
  experiment.tags.emplace_back(mlflow::kDestinationPathTag, location.path);
  experiment.tags.emplace_back(mlflow::kSpansTableTag, location.spans_table);
}

}  // namespace

std::optional<Experiment> parse_experiment(std::string_view json) {
  auto object = JsonObject::parse(json, "the answer");
  if (!object) return std::nullopt;
  if (const std::string* inner = object->find("experiment")) object = JsonObject::parse(*inner, "experiment");
  if (!object) return std::nullopt;
  Experiment experiment;
  experiment.far_id = object->text("experiment_id").value_or("");
  experiment.name = object->text("name").value_or("");
  if (experiment.far_id.empty() || experiment.name.empty()) return std::nullopt;
  experiment.created_ms = object->integer("creation_time").value_or(0);
  experiment.updated_ms = object->integer("last_update_time").value_or(0);
  experiment.deleted = object->text("lifecycle_stage") == "deleted";
  for (const std::string& tag : object->list("tags"))
    if (const auto one = JsonObject::parse(tag, "the tag"))
      experiment.tags.emplace_back(one->text("key").value_or(""), one->text("value").value_or(""));
  return experiment;
}

UnseenEdits::UnseenEdits(const Api& api) {
  for (const Seq edit : api.experiments.edits()) {
    last_ = std::max(last_, edit);
    if (api.reader() != nullptr && !api.reader()->settled(TraceId{}, {edit})) not_there_.insert(edit);
  }
}

bool UnseenEdits::of(const Experiment& experiment) const {
  return experiment.edited > last_ || not_there_.contains(experiment.edited);
}

Experiment keep_experiment(Api& api, Experiment experiment, const UnseenEdits& unseen) {
  const auto known = api.experiments.by_name(experiment.name);
  experiment.id = known && known->provisional() ? known->id : experiment.far_id;
  if (known) {
    experiment.made_by = known->made_by;
    experiment.edited = known->edited;
    if (unseen.of(*known)) experiment.tags = known->tags;
  }
  if (known && *known == experiment) return experiment;
  if (api.experiments.put(experiment).empty()) {
    experiment.tags.clear();  // more than is kept of one
    api.experiments.put(experiment);
  }
  return experiment;
}

void give_provisional_id(Api& api, const std::string& name,
                         std::vector<std::pair<std::string, std::string>> tags, std::uint64_t made_by,
                         ExperimentHandler done) {
  Experiment experiment;
  experiment.name = name;
  experiment.tags = std::move(tags);
  experiment.created_ms = experiment.updated_ms = api.now_ms();
  experiment.made_by = made_by;
  add_configured_tables(api, experiment);
  const Provisional meaning{api.far_side.destination, name};
  for (unsigned attempt = 0; experiment.id.empty() && attempt < kMaxAttempts; ++attempt) {
    std::string id = provisional_id(meaning.destination, name, attempt);
    const auto taken = api.spool.load(provisional_key(id));
    if (!taken) return done(std::unexpected(taken.error()));
    if (!*taken || **taken == encode(meaning)) experiment.id = std::move(id);
  }
  if (experiment.id.empty()) return done(fail(ErrorKind::internal, "no provisional id is free"));
  api.spool.put(provisional_key(experiment.id), encode(meaning));
  api.experiments.put(experiment, [experiment, done = std::move(done)](Result<> kept) mutable {
    if (!kept) return done(std::unexpected(std::move(kept.error())));
    done(KnownExperiment{std::move(experiment), true});
  });
}

void look_up_name(Api& api, std::string name, ExperimentHandler done) {
  if (auto known = api.experiments.by_name(name)) {
    if (!api.is_local()) refresh(api, *known);
    return done(KnownExperiment{std::move(known), false});
  }
  if (api.is_local()) return done(KnownExperiment{});
  if (!api.may_ask()) return give_provisional_id(api, name, {}, 0, std::move(done));
  auto path = by_name_path(name);
  api.reader()->read(
      request_for(std::move(path), kWait), [&api, name = std::move(name), unseen = UnseenEdits(api),
                                            done = std::move(done)](Result<WorkspaceAnswer> answer) mutable {
        if (answer && answer->status == 200)
          if (auto experiment = parse_experiment(answer->body))
            return done(KnownExperiment{keep_experiment(api, *std::move(experiment), unseen), false});
        if (answer && answer->status == 404) return done(KnownExperiment{});
        give_provisional_id(api, name, {}, 0, std::move(done));
      });
}

void look_up_id(Api& api, std::string id, ExperimentHandler done) {
  if (auto known = api.experiments.by_id(id)) {
    if (!api.is_local()) refresh(api, *known);
    known->id = std::move(id);  // as the caller calls it
    return done(KnownExperiment{std::move(known), false});
  }
  if (api.is_local()) return done(KnownExperiment{});
  if (is_provisional_id(id)) return done(KnownExperiment{lost_provisional(api, std::move(id)), true});
  if (!api.may_ask()) return done(KnownExperiment{taken_on_trust(std::move(id)), true});
  auto path = "/api/2.0/mlflow/experiments/get?experiment_id=" + percent_encode(id);
  api.reader()->read(request_for(std::move(path), kWait),
                     [&api, id = std::move(id), unseen = UnseenEdits(api),
                      done = std::move(done)](Result<WorkspaceAnswer> answer) mutable {
                       if (answer && answer->status == 200)
                         if (auto experiment = parse_experiment(answer->body)) {
                           auto kept = keep_experiment(api, *std::move(experiment), unseen);
                           kept.id = std::move(id);  // as the caller calls it
                           return done(KnownExperiment{std::move(kept), false});
                         }
                       if (answer && (answer->status == 404 || answer->status == 400))
                         return done(KnownExperiment{});
                       done(KnownExperiment{taken_on_trust(std::move(id)), true});
                     });
}

}  // namespace spanferry::ingest
