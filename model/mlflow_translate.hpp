// Semantic conventions of GenAI telemetry become MLflow's own attributes: span type, inputs, outputs, token
// usage, tools, model and provider. An open-source MLflow server does this itself when a span comes by OTLP;
// Databricks experiment storage shows what stands in the span file, so whoever writes that must do it.
// What is already there as an `mlflow.*` attribute wins.
#pragma once

#include "model/mlflow_span.hpp"

namespace spanferry::mlflow {

void translate(StoredSpan& span);

}  // namespace spanferry::mlflow
