// Searching for experiments: those the far side has, and before them those that have an id of ours, for it
// may not have them yet. CONTRACT 1.7.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/experiment_json.hpp"
#include "ingest/mlflow_api/experiment_lookup.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "model/json_object.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::chrono::milliseconds kWait{2000};
constexpr std::size_t kMaxResults = 50'000, kResults = 1000;
constexpr std::string_view kThere = "there:";  // begins the token of a page that is the far side's

struct Searching {
  std::size_t most = 0;  // of one page
  std::string view;
  std::string order_by;           // as it stands in the body
  std::size_t here = 0;           // so many of those here were told on pages before
  std::optional<std::string> at;  // the far side's own token of this page
  Reader reader = Reader::http;
};

Result<Searching> parse(const Call& call) {
  const auto body = JsonObject::parse(call.body.empty() ? "{}" : call.body, "the body");
  if (!body) return std::unexpected(body.error());
  const auto most = body->integer("max_results").value_or(kResults);
  if (most <= 0 || most > static_cast<std::int64_t>(kMaxResults))
    return fail(ErrorKind::invalid_input, fmt::format("max_results must be between 1 and {}", kMaxResults));
  if (!body->text("filter").value_or("").empty())
    return fail(ErrorKind::invalid_input, "filters on experiments are not served");
  Searching searching;
  searching.most = static_cast<std::size_t>(most);
  searching.view = body->text("view_type").value_or("ACTIVE_ONLY");
  if (const std::string* order = body->find("order_by")) searching.order_by = *order;
  searching.reader = call.reader;
  const std::string token = body->text("page_token").value_or("0");
  if (token.starts_with(kThere)) {
    searching.at = token.substr(kThere.size());
    return searching;
  }
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), searching.here);
  if (error != std::errc() || end != token.data() + token.size())
    return fail(ErrorKind::invalid_input, "Invalid page token");
  return searching;
}

struct Page {
  std::vector<Experiment> experiments;
  std::string next;  // empty: the last one
  bool partial = false;
};

void answer_with(const Page& page, Reader reader, Reply& reply) {
  auto answer = json_answer("");
  JsonWriter json(answer.body);
  json.begin_object();
  if (!page.experiments.empty()) {
    json.key("experiments").begin_array();
    for (const Experiment& one : page.experiments) write_experiment(json, one, reader);
    json.end_array();
  }
  if (!page.next.empty()) json.field("next_page_token", page.next);
  json.end_object();
  if (page.partial) mark_partial(answer);
  reply(std::move(answer));
}

// All that are known here, the newest first, but those that have an id of ours before all others.
struct KnownHere {
  std::vector<Experiment> experiments;
  std::size_t ours = 0;
};

KnownHere known_here(const Api& api, std::string_view view) {
  auto all = api.experiments.all();
  std::erase_if(all, [view](const Experiment& one) {
    return (one.deleted && view == "ACTIVE_ONLY") || (!one.deleted && view == "DELETED_ONLY");
  });
  std::ranges::reverse(all);
  KnownHere known;
  for (const bool provisional : {true, false}) {
    for (const Experiment& one : all)
      if (one.provisional() == provisional) known.experiments.push_back(one);
    if (provisional) known.ours = known.experiments.size();
  }
  return known;
}

// The next of `known`, from where the page begins to `end`.
Page page_here(const Searching& searching, const std::vector<Experiment>& known, std::size_t end) {
  Page page;
  const std::size_t from = std::min(searching.here, end);
  const std::size_t to = std::min(end, from + searching.most);
  page.experiments.assign(known.begin() + static_cast<std::ptrdiff_t>(from),
                          known.begin() + static_cast<std::ptrdiff_t>(to));
  if (to < known.size()) page.next = std::to_string(to);
  return page;
}

std::string body_for(const Searching& searching, std::size_t most) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("max_results", most).field("view_type", searching.view);
  if (!searching.order_by.empty()) json.key("order_by").raw(searching.order_by);
  if (searching.at && !searching.at->empty()) json.field("page_token", *searching.at);
  json.end_object();
  return body;
}

// Adds what the far side found, under the ids that clients know. False: it cannot be read.
bool add_far(Api& api, const std::string& body, Page& page) {
  const auto answer = JsonObject::parse(body, "the answer");
  if (!answer) return false;
  for (const std::string& json : answer->list("experiments")) {
    auto experiment = parse_experiment(json);
    if (!experiment) continue;
    const auto known = api.experiments.by_name(experiment->name);
    experiment->id = experiment->far_id;
    // What nobody here has asked for is told, not kept: there may be very many.
    if (known) experiment = keep_experiment(api, *std::move(experiment));
    if (!experiment->provisional()) page.experiments.push_back(*std::move(experiment));
  }
  const auto next = answer->text("next_page_token").value_or("");
  page.next = next.empty() ? std::string() : fmt::format("{}{}", kThere, next);
  return true;
}

// Without the far side: what is known here.
void tell_known(Api& api, const Searching& searching, Reply& reply) {
  const auto known = known_here(api, searching.view).experiments;
  // A page of the far side's cannot be gone on with.
  auto page = searching.at ? Page{} : page_here(searching, known, known.size());
  page.partial = !api.is_local();
  answer_with(page, searching.reader, reply);
}

// The same, for one that does not answer: traces go to the configured experiment, though nobody has asked for
// it since the spool began.
void tell_known_and_configured(Api& api, Searching searching, Reply reply) {
  const std::string& configured = api.far_side.experiment;
  if (configured.empty() || api.experiments.by_name(configured)) return tell_known(api, searching, reply);
  look_up_name(api, configured,
               [&api, searching = std::move(searching), reply = std::move(reply)](
                   const Result<KnownExperiment>&) mutable { tell_known(api, searching, reply); });
}

void ask(Api& api, Searching searching, Page page, Reply reply) {
  WorkspaceRequest request;
  request.method = "POST";
  request.path = "/api/2.0/mlflow/experiments/search";
  request.body = body_for(searching, searching.most - page.experiments.size());
  request.deadline = kWait;
  api.reader()->read(std::move(request), [&api, searching = std::move(searching), page = std::move(page),
                                          reply = std::move(reply)](Result<WorkspaceAnswer> answer) mutable {
    if (answer && answer->status == 200 && add_far(api, answer->body, page))
      return answer_with(page, searching.reader, reply);
    tell_known_and_configured(api, std::move(searching), std::move(reply));
  });
}

}  // namespace

void search_experiments(Api& api, const Call& call, Reply reply) {
  auto parsed = parse(call);
  if (!parsed) return reply(answer_of(parsed.error()));
  Searching searching = *std::move(parsed);
  if (api.is_local()) return tell_known(api, searching, reply);
  const auto known = known_here(api, searching.view);
  const bool has_begun_without = !searching.at && searching.here > known.ours;
  if (!api.may_ask() || has_begun_without)
    return tell_known_and_configured(api, std::move(searching), std::move(reply));
  auto page = searching.at ? Page{} : page_here(searching, known.experiments, known.ours);
  if (page.experiments.size() < searching.most)
    return ask(api, std::move(searching), std::move(page), std::move(reply));
  if (page.next.empty()) page.next = std::to_string(known.ours);
  answer_with(page, searching.reader, reply);
}

}  // namespace spanferry::ingest
