// Searching for experiments: those the far side has, and those that only we know or know better.
// CONTRACT 1.7.
#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/experiment_json.hpp"
#include "ingest/mlflow_api/experiment_lookup.hpp"
#include "ingest/mlflow_api/experiment_merge.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "model/json_object.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::chrono::milliseconds kWait{2000};

struct Searching {
  ExperimentRequest request;
  Reader reader = Reader::http;
  Reply reply;
};

void answer_with(const ExperimentPage& page, bool partial, Searching& searching) {
  auto answer = json_answer("");
  JsonWriter json(answer.body);
  json.begin_object();
  if (!page.experiments.empty()) {
    json.key("experiments").begin_array();
    for (const Experiment& one : page.experiments) write_experiment(json, one, searching.reader);
    json.end_array();
  }
  if (page.next) json.field("next_page_token", encode(*page.next));
  json.end_object();
  if (partial) mark_partial(answer);
  searching.reply(std::move(answer));
}

void tell_known(Api& api, Searching& searching) {
  answer_with(known_experiments(api, searching.request), !api.is_local(), searching);
}

// Of a far side that does not answer: traces go to the configured experiment, though nobody has asked for it
// since the spool began.
void tell_known_and_configured(Api& api, Searching searching) {
  const std::string& configured = api.far_side.experiment;
  if (configured.empty() || api.experiments.by_name(configured)) return tell_known(api, searching);
  look_up_name(api, configured,
               [&api, searching = std::move(searching)](const Result<KnownExperiment>&) mutable {
                 tell_known(api, searching);
               });
}

std::string_view name_of(ExperimentView view) {
  if (view == ExperimentView::deleted) return "DELETED_ONLY";
  return view == ExperimentView::all ? "ALL" : "ACTIVE_ONLY";
}

std::string body_for(const Api& api, const ExperimentRequest& request) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("max_results", request.max_results).field("view_type", name_of(request.view));
  if (!request.filter.empty()) json.field("filter", filter_for_far_side(api, request));
  if (!request.order_by.empty()) {
    json.key("order_by").begin_array();
    for (const std::string& one : request.order_by) json.value(one);
    json.end_array();
  }
  if (!request.from.there_page.empty()) json.field("page_token", request.from.there_page);
  json.end_object();
  return body;
}

std::optional<FarExperiments> read_page(const std::string& body) {
  const auto answer = JsonObject::parse(body, "the answer");
  if (!answer) return std::nullopt;
  FarExperiments page;
  for (const std::string& json : answer->list("experiments"))
    if (auto experiment = parse_experiment(json)) page.experiments.push_back(*std::move(experiment));
  page.next_page = answer->text("next_page_token").value_or("");
  return page;
}

void ask(Api& api, Searching searching) {
  WorkspaceRequest request;
  request.method = "POST";
  request.path = "/api/2.0/mlflow/experiments/search";
  request.body = body_for(api, searching.request);
  request.deadline = kWait;
  api.reader()->read(std::move(request), [&api, unseen = UnseenEdits(api), searching = std::move(searching)](
                                             Result<WorkspaceAnswer> answer) mutable {
    if (answer && answer->status == 200) {
      if (const auto far = read_page(answer->body))
        return answer_with(merged_experiments(api, searching.request, *far, unseen), false, searching);
    }
    // It may know less, or other rules, than the server whose rules are ours.
    if (answer && answer->status == 400) {
      Response refused = json_answer(std::move(answer->body));
      refused.status = 400;
      return searching.reply(std::move(refused));
    }
    tell_known_and_configured(api, std::move(searching));
  });
}

}  // namespace

void search_experiments(Api& api, const Call& call, Reply reply) {
  auto request = parse_experiment_request(call.body);
  if (!request) return reply(answer_of(request.error()));
  Searching searching{*std::move(request), call.reader, std::move(reply)};
  if (api.is_local()) return tell_known(api, searching);
  const auto& from = searching.request.from;
  if (from.with_far_side && !from.there_has_more)
    return answer_with(merged_experiments(api, searching.request, {}, UnseenEdits(api)), false, searching);
  // What began without the far side goes on without it: in what it has, nothing tells where.
  const bool has_begun_without = !from.with_far_side && from.here > 0;
  if (!api.may_ask() || has_begun_without) return tell_known_and_configured(api, std::move(searching));
  ask(api, std::move(searching));
}

}  // namespace spanferry::ingest
