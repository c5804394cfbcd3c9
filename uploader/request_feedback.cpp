#include "uploader/request_feedback.hpp"

#include <utility>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/json_writer.hpp"
#include "spool/each_summary.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

using Fate = EditOutcome::Kind;

constexpr milliseconds kBetweenSearches{1000};

// Nothing if no kind of quotes can hold it.
std::optional<std::string> in_quotes(std::string_view text) {
  if (text.find('\'') == std::string_view::npos) return fmt::format("'{}'", text);
  if (text.find('"') == std::string_view::npos) return fmt::format("\"{}\"", text);
  return std::nullopt;
}

std::optional<TraceId> first_trace_of(std::string_view body) {
  simdjson::dom::parser parser;
  std::string_view id;
  if (parser.parse(simdjson::padded_string(body)).at_key("traces").at(0).at_key("trace_id").get(id) !=
      simdjson::SUCCESS)
    return std::nullopt;
  return mlflow::parse_trace_id(id);
}

}  // namespace

asio::awaitable<EditOutcome> RequestFeedback::give(const Route& route,
                                                   const mlflow::FeedbackByRequest& feedback,
                                                   bool may_be_done) {
  std::optional<TraceId> trace = find_here(feedback.client_request_id);
  if (!trace) {
    auto found = co_await find_there(route, feedback.client_request_id);
    if (!found && found.error().action == Action::not_found)
      co_return EditOutcome{Fate::early, std::move(found.error())};
    if (!found) co_return outcome_of(std::move(found.error()));
    trace = *found;
  }
  co_return co_await edits_.assess(*trace, feedback.id, feedback.assessment, may_be_done);
}

// The newest of the traces that the local view lists.
std::optional<TraceId> RequestFeedback::find_here(const std::string& client_request_id) const {
  std::optional<TraceId> found;
  const auto looked = spool::each_summary_of_request(context_.spool, client_request_id,
                                                     [&found](const spool::TraceSummary& trace) {
                                                       if (spool::is_there(trace)) found = trace.trace_id;
                                                       return !found;
                                                     });
  return looked ? found : std::nullopt;
}

asio::awaitable<std::expected<TraceId, Verdict>> RequestFeedback::find_there(
    const Route& route, const std::string& client_request_id) {
  const auto value = in_quotes(client_request_id);
  if (!value) {
    Verdict refused;
    refused.action = Action::split;
    refused.reason = "a request id with both kinds of quotes cannot be searched for";
    co_return std::unexpected(std::move(refused));
  }
  auto experiment = co_await context_.experiments->resolve(route);
  if (!experiment) co_return std::unexpected(std::move(experiment.error()));
  if (searched_) {
    const auto wait = std::chrono::ceil<milliseconds>(*searched_ + kBetweenSearches - Clock::now());
    if (wait.count() > 0 && !co_await calls_.sleeps().sleep(wait)) co_return std::unexpected(Verdict{});
  }
  searched_ = Clock::now();
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("locations").begin_array().begin_object().field("type", "MLFLOW_EXPERIMENT");
  json.key("mlflow_experiment").begin_object().field("experiment_id", experiment->id).end_object();
  json.end_object().end_array();
  json.field("filter", "attributes.client_request_id = " + *value).field("max_results", 1);
  json.key("order_by").begin_array().value("timestamp_ms DESC").end_array().end_object();
  Verdict verdict = co_await calls_.call("POST", "/api/3.0/mlflow/traces/search", std::move(body));
  if (verdict.action != Action::done) co_return std::unexpected(std::move(verdict));
  if (const auto trace = first_trace_of(verdict.response.body)) co_return *trace;
  verdict.action = Action::not_found;
  verdict.reason = fmt::format("no trace with the request id {} is here or at {}",
                               client_request_id.substr(0, 128), context_.settings.url);
  co_return std::unexpected(std::move(verdict));
}

}  // namespace spanferry::uploader
