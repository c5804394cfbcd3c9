#include "ingest/mlflow_api/experiment_json.hpp"

#include <fmt/format.h>

namespace spanferry::ingest {

void write_experiment(JsonWriter& json, const Experiment& experiment, Reader reader) {
  json.begin_object().field("experiment_id", experiment.id).field("name", experiment.name);
  json.field("artifact_location", reader == Reader::http
                                      ? fmt::format("mlflow-artifacts:/{}", experiment.id)
                                      : fmt::format("dbfs:/databricks/mlflow-tracking/{}", experiment.id));
  json.field("lifecycle_stage", experiment.deleted ? "deleted" : "active")
      .field("last_update_time", experiment.updated_ms)
      .field("creation_time", experiment.created_ms);
  if (reader == Reader::http) json.field("workspace", "default");
  if (!experiment.tags.empty()) {
    json.key("tags").begin_array();
    for (const auto& [key, value] : experiment.tags)
      json.begin_object().field("key", key).field("value", value).end_object();
    json.end_array();
  }
  json.end_object();
}

}  // namespace spanferry::ingest
