#include "uploader/location_link.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "uploader/endpoint.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

asio::awaitable<Verdict> post(const DestinationSettings& settings, Sender& sender, std::string path,
                              std::string json) {
  const auto body = std::make_shared<const std::string>(std::move(json));
  const std::string url = join_url(settings.url, path);
  Verdict verdict = held_if_forbidden(co_await sender.send(
      Surface::databricks_api,
      [&] {
        net::HttpRequest request;
        request.url = url;
        request.headers.emplace_back("Content-Type", "application/json");
        request.body.push_back(body);
        return request;
      },
      Scope::experiment));
  // Made, or linked, before.
  if (verdict.action == Action::exists) verdict.action = Action::done;
  co_return verdict;
}

// Of the calls that make a location, and of those that link an experiment to it: each takes one of the ids.
struct LocationIds {
  std::string_view experiment{}, sql_warehouse{};
};

std::string location_body(std::string_view name, std::string_view path, LocationIds ids) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  if (!ids.experiment.empty()) json.field("experiment_id", ids.experiment);
  json.key(name);
  mlflow::write_location(json, path, {});
  if (!ids.sql_warehouse.empty()) json.field("sql_warehouse_id", ids.sql_warehouse);
  json.end_object();
  return out;
}

// Workspaces that know no prefixes: one set of tables for a schema.
asio::awaitable<Verdict> link_to_schema(const DestinationSettings& settings, Sender& sender,
                                        const std::string& experiment_id, const std::string& schema) {
  Verdict verdict =
      co_await post(settings, sender, "/api/4.0/mlflow/traces/location",
                    location_body("uc_schema", schema, {.sql_warehouse = settings.sql_warehouse_id}));
  if (verdict.action != Action::done) co_return verdict;
  co_return co_await post(settings, sender,
                          fmt::format("/api/4.0/mlflow/traces/{}/link-location", experiment_id),
                          location_body("uc_schema", schema, {.experiment = experiment_id}));
}

}  // namespace

std::string make_location_body(std::string_view path, std::string_view sql_warehouse_id) {
  return location_body("uc_table_prefix", path, {.sql_warehouse = sql_warehouse_id});
}

std::string link_location_path(std::string_view experiment_id) {
  return fmt::format("/api/5.0/mlflow/experiments/{}/trace-location:link", experiment_id);
}

std::string link_location_body(std::string_view path, std::string_view experiment_id) {
  return location_body("uc_table_prefix", path, {.experiment = experiment_id});
}

asio::awaitable<std::expected<mlflow::TableLocation, Verdict>> link_to_location(
    const DestinationSettings& settings, Sender& sender, std::string experiment_id) {
  const bool has_prefix = std::ranges::count(settings.unity_catalog, '.') == 2;
  std::string path = has_prefix ? settings.unity_catalog
                                // as MLflow's client names it then
                                : fmt::format("{}.{}", settings.unity_catalog, experiment_id);
  Verdict verdict = co_await post(settings, sender, std::string(kMakeLocationPath),
                                  make_location_body(path, settings.sql_warehouse_id));
  if (verdict.action == Action::done)
    verdict = co_await post(settings, sender, link_location_path(experiment_id),
                            link_location_body(path, experiment_id));
  if (verdict.action == Action::fallback) {
    path.resize(path.rfind('.'));
    verdict = co_await link_to_schema(settings, sender, experiment_id, path);
  }
  if (verdict.action != Action::done) co_return std::unexpected(std::move(verdict));
  spdlog::info("destination {}: experiment {} is linked to {}", settings.name, experiment_id, path);
  co_return mlflow::table_location(path, {});
}

}  // namespace spanferry::uploader
