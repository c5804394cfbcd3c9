#include "daemon/mlflow_api.hpp"

namespace spanferry::daemon {

ingest::ApiSettings mlflow_api_settings(const config::Settings& settings) {
  using uploader::Kind;
  ingest::ApiSettings api;
  api.context = settings.uploader.context;
  const std::string& wanted = settings.ingest.mlflow_api.destination;
  for (const auto& destination : settings.uploader.destinations) {
    if (destination.kind != Kind::databricks && destination.kind != Kind::mlflow) continue;
    if (!wanted.empty() && destination.name != wanted) continue;
    api.kind = destination.kind == Kind::databricks ? ingest::WorkspaceReader::Kind::databricks
                                                    : ingest::WorkspaceReader::Kind::mlflow;
    api.destination = destination.name;
    api.experiment = destination.experiment;
    api.experiment_id = destination.experiment_id;
    api.tables = destination.unity_catalog;
    api.create_experiment = destination.create_experiment;
    api.sql_warehouse_id = destination.sql_warehouse_id;
    break;
  }
  return api;
}

}  // namespace spanferry::daemon
