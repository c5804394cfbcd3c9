#include "uploader/request_feedback.hpp"

#include <utility>

#include "model/mlflow_table.hpp"
#include "spool/each_summary.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

asio::awaitable<EditOutcome> RequestFeedback::give(const Route& route,
                                                   const mlflow::FeedbackByRequest& feedback,
                                                   bool may_be_done) {
  std::expected<FarTrace, Verdict> trace;
  if (const auto here = find_here(feedback.client_request_id)) {
    trace = co_await place_of(*here);
  } else {
    auto experiment = co_await context_.experiments->resolve(route);
    if (!experiment) co_return outcome_of(std::move(experiment.error()));
    trace = co_await search_.newest(*experiment, feedback.client_request_id);
    if (!trace && trace.error().action == Action::not_found)
      co_return EditOutcome{EditOutcome::Kind::early, std::move(trace.error())};
  }
  if (!trace) co_return outcome_of(std::move(trace.error()));
  if (trace->table_path.empty())
    co_return co_await edits_.assess(trace->id, feedback.id, feedback.assessment, may_be_done);
  co_return co_await table_edits_.apply(trace->table_path, trace->id, feedback, may_be_done);
}

// The newest of the traces that the local view lists.
std::optional<spool::TraceSummary> RequestFeedback::find_here(const std::string& client_request_id) const {
  std::optional<spool::TraceSummary> found;
  const auto looked = spool::each_summary_of_request(context_.spool, client_request_id,
                                                     [&found](const spool::TraceSummary& trace) {
                                                       if (spool::is_there(trace)) found = trace;
                                                       return !found;
                                                     });
  return looked ? found : std::nullopt;
}

// Where it went, or is to go. Its experiment may have been linked to a table after it went to experiment
// storage, so that the table is asked.
asio::awaitable<std::expected<FarTrace, Verdict>> RequestFeedback::place_of(
    const spool::TraceSummary& trace) {
  if (context_.settings.kind != Kind::databricks) co_return FarTrace{trace.trace_id, {}};
  auto path = co_await table_path_of(trace);
  if (!path) co_return std::unexpected(std::move(path.error()));
  if (path->empty()) co_return FarTrace{trace.trace_id, {}};
  Verdict there = co_await table_edits_.trace_info(*path, trace.trace_id);
  if (there.action == Action::done) co_return FarTrace{trace.trace_id, *std::move(path)};
  if (there.action == Action::not_found || there.action == Action::fallback)
    co_return FarTrace{trace.trace_id, {}};
  co_return std::unexpected(std::move(there));
}

// As whole traces are routed: the table that a record names, else that of the experiment. Empty: none.
asio::awaitable<std::expected<std::string, Verdict>> RequestFeedback::table_path_of(
    const spool::TraceSummary& trace) {
  if (const auto first = context_.spool.get(trace.first_seq); first && *first) {
    const std::string& table = (*first)->header.route.table;
    if (!table.empty()) co_return mlflow::table_location({}, table).path;
  }
  const auto experiment =
      co_await context_.experiments->resolve({trace.experiment_id, trace.experiment_name, {}});
  if (!experiment) co_return std::unexpected(experiment.error());
  co_return experiment->unity_catalog_path;
}

}  // namespace spanferry::uploader
