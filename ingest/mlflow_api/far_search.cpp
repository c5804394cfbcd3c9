#include "ingest/mlflow_api/far_search.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "ingest/mlflow_api/search_desk.hpp"
#include "model/json_object.hpp"
#include "model/json_writer.hpp"
#include "model/mlflow_table.hpp"

namespace spanferry::ingest {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kWithin{2000};
constexpr milliseconds kPoll{200};  // of an operation that goes on
constexpr std::string_view kV3 = "/api/3.0/mlflow/traces/search";
constexpr std::string_view kLongRunning = "/api/4.0/mlflow/traces/search-long-running";

struct Asking {
  Api& api;
  std::string body;
  bool has_tables;
  Clock::time_point until;
  std::move_only_function<void(std::optional<FarPage>)> done;
};
using AskingPtr = std::shared_ptr<Asking>;

// Nothing where the far side has none of the locations.
std::string body_of(const Api& api, const SearchRequest& request, const std::string& page) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("locations").begin_array();
  bool any = !request.tables.empty();
  for (const std::string& table : request.tables) mlflow::write_trace_location(json, {table, {}});
  for (const std::string& id : request.experiments) {
    const auto experiment = api.experiments.by_id(id);
    if (experiment && experiment->far_id.empty()) continue;  // it is not there yet
    any = true;
    json.begin_object().field("type", "MLFLOW_EXPERIMENT").key("mlflow_experiment").begin_object();
    json.field("experiment_id", experiment ? experiment->far_id : id).end_object().end_object();
  }
  json.end_array();
  if (!request.filter_text.empty()) json.field("filter", request.filter_text);
  json.field("max_results", request.max_results);
  if (!request.order_by.empty()) {
    json.key("order_by").begin_array();
    for (const std::string& one : request.order_by) json.value(one);
    json.end_array();
  }
  if (!page.empty()) json.field("page_token", page);
  const std::string& warehouse =
      request.warehouse.empty() ? api.far_side.sql_warehouse_id : request.warehouse;
  if (!warehouse.empty()) json.field("sql_warehouse_id", warehouse);
  json.end_object();
  return any ? body : std::string();
}

std::optional<FarPage> read_page(const std::string& json, std::string_view list) {
  const auto answer = JsonObject::parse(json, "the answer");
  if (!answer) return std::nullopt;
  return FarPage{answer->list(list), answer->text("next_page_token").value_or("")};
}

void ask(const AskingPtr& asking, std::string method, std::string path, std::string body,
         std::move_only_function<void(Result<WorkspaceAnswer>)> then) {
  const auto left = std::chrono::duration_cast<milliseconds>(asking->until - Clock::now());
  if (left.count() <= 0) return asking->done(std::nullopt);
  WorkspaceRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.body = std::move(body);
  request.deadline = left;
  asking->api.reader()->read(std::move(request), std::move(then));
}

void ask_v3(const AskingPtr& asking) {
  ask(asking, "POST", std::string(kV3), asking->body, [asking](Result<WorkspaceAnswer> answer) {
    if (!answer || answer->status != 200) return asking->done(std::nullopt);
    asking->done(read_page(answer->body, "traces"));
  });
}

// Where search-long-running is not served, or not for experiments (CONTRACT 2.2).
bool wants_v3(const WorkspaceAnswer& answer) {
  const auto body = JsonObject::parse(answer.body, "the answer");
  if (!body) return false;
  const auto code = body->text("error_code").value_or("");
  return code == "ENDPOINT_NOT_FOUND" ||
         (code == "INVALID_PARAMETER_VALUE" &&
          body->text("message").value_or("").contains("locations not yet supported"));
}

void look_at_operation(const AskingPtr& asking, Result<WorkspaceAnswer> answer) {
  if (answer && answer->status >= 400 && !asking->has_tables && wants_v3(*answer)) return ask_v3(asking);
  if (!answer || answer->status != 200) return asking->done(std::nullopt);
  const auto operation = JsonObject::parse(answer->body, "the operation");
  const std::string* done = operation ? operation->find("done") : nullptr;
  if (done != nullptr && *done == "true") {
    const std::string* response = operation->find("response");
    if (operation->has("error") || response == nullptr) return asking->done(std::nullopt);
    return asking->done(read_page(*response, "trace_infos"));
  }
  const auto name = operation ? operation->text("name") : std::nullopt;
  if (!name) return asking->done(std::nullopt);
  asking->api.searches->go_on_after(kPoll, [asking, name = *name] {
    ask(asking, "GET", fmt::format("/api/4.0/mlflow/traces/search/operations/{}", name), "",
        [asking](Result<WorkspaceAnswer> again) { look_at_operation(asking, std::move(again)); });
  });
}

}  // namespace

void search_far_side(Api& api, const SearchRequest& request, const std::string& page,
                     std::move_only_function<void(std::optional<FarPage>)> done) {
  std::string body = body_of(api, request, page);
  if (body.empty()) return done(FarPage{});
  const auto asking = std::make_shared<Asking>(api, std::move(body), !request.tables.empty(),
                                               Clock::now() + kWithin, std::move(done));
  if (api.far_side.kind != WorkspaceReader::Kind::databricks) return ask_v3(asking);
  ask(asking, "POST", std::string(kLongRunning), asking->body,
      [asking](Result<WorkspaceAnswer> answer) { look_at_operation(asking, std::move(answer)); });
}

}  // namespace spanferry::ingest
