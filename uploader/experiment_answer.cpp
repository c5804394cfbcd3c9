#include "uploader/experiment_answer.hpp"

#include <algorithm>
#include <string>

#include <simdjson.h>

#include "model/mlflow_table.hpp"

namespace spanferry::uploader {
namespace {

constexpr std::size_t kMaxIdDigits = 19;

}  // namespace

bool is_experiment_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxIdDigits &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<DescribedExperiment> parse_experiment(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(simdjson::padded_string(body)).get(root) != simdjson::SUCCESS) return std::nullopt;
  DescribedExperiment out;
  std::string_view text;
  if (root["experiment"]["experiment_id"].get(text) != simdjson::SUCCESS || !is_experiment_id(text))
    return std::nullopt;
  out.experiment.id = text;
  if (root["experiment"]["lifecycle_stage"].get(text) == simdjson::SUCCESS) out.deleted = text == "deleted";
  simdjson::dom::array tags;
  if (root["experiment"]["tags"].get(tags) != simdjson::SUCCESS) return out;
  for (const simdjson::dom::element tag : tags) {
    std::string_view key, value;
    if (tag["key"].get(key) != simdjson::SUCCESS || tag["value"].get(value) != simdjson::SUCCESS) continue;
    if (key == mlflow::kSpansTableTag) out.experiment.unity_catalog_table = value;
    if (key == mlflow::kDestinationPathTag) out.experiment.unity_catalog_path = value;
  }
  Experiment& experiment = out.experiment;
  const auto location = mlflow::table_location(experiment.unity_catalog_path, experiment.unity_catalog_table);
  experiment.unity_catalog_path = location.path;
  experiment.unity_catalog_table = location.spans_table;
  return out;
}

}  // namespace spanferry::uploader
