// Whom the MLflow API in front speaks for, as the configuration has it.
#pragma once

#include "config/settings.hpp"
#include "ingest/mlflow_api/api.hpp"

namespace spanferry::daemon {

ingest::ApiSettings mlflow_api_settings(const config::Settings& settings);

}  // namespace spanferry::daemon
