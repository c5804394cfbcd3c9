// What a call of a model cost, by the price list that MLflow brings along: its server counts so when a span
// comes by OTLP, its client when it writes to Databricks.
#pragma once

#include <optional>
#include <string_view>

namespace spanferry::mlflow {

struct Cost {
  double input = 0, output = 0;  // USD
};

// Of JSON texts: a model's name, its token usage (`input_tokens` with the cached ones in it), and a provider
// or null. A provider's own list first, then the first list that has the model. Nothing when no list has it,
// when no tokens were used, or when what was told is no name or no number.
std::optional<Cost> cost_of_call(std::string_view model, std::string_view usage, std::string_view provider);

}  // namespace spanferry::mlflow
