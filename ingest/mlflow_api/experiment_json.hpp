// An experiment as MLflow's API writes it. CONTRACT 1.7.
#pragma once

#include "ingest/mlflow_api/experiment_book.hpp"
#include "ingest/mlflow_api/trace_json.hpp"
#include "model/json_writer.hpp"

namespace spanferry::ingest {

void write_experiment(JsonWriter& json, const Experiment& experiment, Reader reader);

}  // namespace spanferry::ingest
