#include "uploader/request_search.hpp"

#include <utility>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/json_writer.hpp"
#include "model/mlflow_table.hpp"
#include "model/mlflow_write.hpp"
#include "model/percent_encode.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
namespace dom = simdjson::dom;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr milliseconds kBetweenSearches{1000};
// A workspace searches its tables for a while and is asked how far it is (CONTRACT 2.2). Others wait behind:
// what takes longer is searched for again later.
constexpr milliseconds kPoll{1000}, kSearchWithin{60'000};
constexpr std::size_t kMaxShown = 128;

// Nothing if no kind of quotes can hold it.
std::optional<std::string> in_quotes(std::string_view text) {
  if (text.find('\'') == std::string_view::npos) return fmt::format("'{}'", text);
  if (text.find('"') == std::string_view::npos) return fmt::format("\"{}\"", text);
  return std::nullopt;
}

// For the newest one. `location` writes the value of where to look.
template <typename WriteLocation>
std::string search_body(WriteLocation location, std::string_view filter, std::string_view warehouse) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("locations").begin_array();
  location(json);
  json.end_array().field("filter", filter).field("max_results", 1);
  json.key("order_by").begin_array().value("timestamp_ms DESC").end_array();
  if (!warehouse.empty()) json.field("sql_warehouse_id", warehouse);
  json.end_object();
  return body;
}

std::optional<TraceId> first_trace_of(const simdjson::simdjson_result<dom::element>& traces) {
  std::string_view id;
  if (traces.at(0).at_key("trace_id").get(id) != simdjson::SUCCESS) return std::nullopt;
  return mlflow::parse_trace_id(id);
}

// What POST search-long-running and each GET of its operation answer.
struct Operation {
  bool is_done = false;
  std::optional<TraceId> trace;
  std::string name;     // to ask for, while it is not done
  std::string trouble;  // it failed, or is none
};

Operation operation_of(std::string_view body) {
  Operation out;
  dom::parser parser;
  dom::element root, failure;
  std::string_view text;
  if (parser.parse(simdjson::padded_string(body)).get(root) != simdjson::SUCCESS) {
    out.trouble = "what it answers is no operation";
    return out;
  }
  if (root["done"].get(out.is_done) != simdjson::SUCCESS) out.is_done = false;
  if (root["name"].get(text) == simdjson::SUCCESS) out.name = text;
  if (root["error"].get(failure) == simdjson::SUCCESS && !failure.is_null()) {
    out.trouble = simdjson::minify(failure).substr(0, kMaxShown);
  } else if (!out.is_done && out.name.empty()) {
    out.trouble = "what it answers is no operation";
  } else if (out.is_done) {
    out.trace = first_trace_of(root["response"]["trace_infos"]);
  }
  return out;
}

Verdict not_found(Verdict verdict, std::string reason) {
  verdict.action = Action::not_found;
  verdict.reason = std::move(reason);
  return verdict;
}

bool ends_the_search(const Verdict& verdict) {
  return verdict.action == Action::stopped || verdict.action == Action::held;
}

}  // namespace

asio::awaitable<std::expected<FarTrace, Verdict>> RequestSearch::newest(
    const Experiment& experiment, const std::string& client_request_id) {
  const auto value = in_quotes(client_request_id);
  if (!value) {
    Verdict refused;
    refused.action = Action::split;
    refused.reason = "a request id with both kinds of quotes cannot be searched for";
    co_return std::unexpected(std::move(refused));
  }
  if (!co_await wait_for_turn()) co_return std::unexpected(Verdict{});
  const std::string filter = "attributes.client_request_id = " + *value;
  const std::string& path = experiment.unity_catalog_path;
  std::string trouble;
  if (!path.empty()) {
    auto found = co_await in_table(path, filter);
    if (found && *found) co_return FarTrace{**found, path};
    if (!found && ends_the_search(found.error())) co_return std::unexpected(std::move(found.error()));
    if (!found) trouble = fmt::format("; its table cannot be searched: {}", found.error().reason);
  }
  auto found = co_await in_storage(experiment.id, filter);
  if (found && *found) co_return FarTrace{**found, {}};
  // That a workspace has no such search for a linked experiment says nothing of what may come to the table.
  if (!found && (path.empty() || ends_the_search(found.error())))
    co_return std::unexpected(std::move(found.error()));
  co_return std::unexpected(
      not_found(found ? Verdict{} : std::move(found.error()),
                fmt::format("no trace with the request id {} is here or at {}{}",
                            client_request_id.substr(0, kMaxShown), context_.settings.url, trouble)));
}

// False: stopped.
asio::awaitable<bool> RequestSearch::wait_for_turn() {
  if (searched_) {
    const auto wait = std::chrono::ceil<milliseconds>(*searched_ + kBetweenSearches - Clock::now());
    if (wait.count() > 0 && !co_await calls_.sleeps().sleep(wait)) co_return false;
  }
  searched_ = Clock::now();
  co_return true;
}

asio::awaitable<RequestSearch::Found> RequestSearch::in_storage(const std::string& experiment,
                                                                std::string_view filter) {
  const auto location = [&experiment](JsonWriter& json) {
    json.begin_object().field("type", "MLFLOW_EXPERIMENT").key("mlflow_experiment");
    json.begin_object().field("experiment_id", experiment).end_object().end_object();
  };
  Verdict verdict =
      co_await calls_.call("POST", "/api/3.0/mlflow/traces/search", search_body(location, filter, {}));
  if (verdict.action != Action::done) co_return std::unexpected(std::move(verdict));
  dom::parser parser;
  co_return first_trace_of(parser.parse(simdjson::padded_string(verdict.response.body)).at_key("traces"));
}

asio::awaitable<RequestSearch::Found> RequestSearch::in_table(const std::string& path,
                                                              std::string_view filter) {
  const auto until = Clock::now() + kSearchWithin;
  const auto location = [&path](JsonWriter& json) { mlflow::write_trace_location(json, {path, {}}); };
  Verdict verdict = co_await calls_.call("POST", "/api/4.0/mlflow/traces/search-long-running",
                                         search_body(location, filter, context_.settings.sql_warehouse_id));
  for (;;) {
    if (verdict.action != Action::done) co_return std::unexpected(std::move(verdict));
    Operation operation = operation_of(verdict.response.body);
    if (operation.trouble.empty() && operation.is_done) co_return operation.trace;
    if (operation.trouble.empty() && Clock::now() >= until)
      operation.trouble = fmt::format("it goes on for more than {} s", kSearchWithin.count() / 1000);
    if (!operation.trouble.empty())
      co_return std::unexpected(not_found(std::move(verdict), std::move(operation.trouble)));
    if (!co_await calls_.sleeps().sleep(kPoll)) co_return std::unexpected(Verdict{});
    verdict = co_await calls_.call(
        "GET", "/api/4.0/mlflow/traces/search/operations/" + percent_encode(operation.name));
  }
}

}  // namespace spanferry::uploader
