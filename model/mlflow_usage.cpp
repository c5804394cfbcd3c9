// Token usage and cost of a trace: summed over its tree, so that a span that already counts what is below it
// is not counted twice. The order of keys and the spacing are those of MLflow's own metadata.
#include <array>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include <simdjson.h>

#include "model/json_writer.hpp"
#include "model/mlflow_text.hpp"
#include "model/mlflow_trace.hpp"

namespace spanferry::mlflow {
namespace {

constexpr std::array<const char*, 6> kTokenKeys{
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_input_tokens_above_1hr",
};
constexpr std::size_t kAlwaysTold = 3;  // the others only where a span has them
constexpr std::array<const char*, 3> kCostKeys{"input_cost", "output_cost", "total_cost"};

// The spans that have `key` and no ancestor that has it. A parent that did not come is no ancestor; spans
// that are each other's ancestors have no top and do not count.
std::vector<const std::string*> topmost(const std::vector<StoredSpan>& spans, std::string_view key) {
  std::unordered_set<SpanId> known;
  for (const StoredSpan& s : spans) known.insert(s.span_id);
  std::unordered_map<SpanId, std::vector<const StoredSpan*>> children;
  std::vector<const StoredSpan*> open;
  for (const StoredSpan& s : spans) {
    if (s.parent_id && known.contains(*s.parent_id)) {
      children[*s.parent_id].push_back(&s);
    } else {
      open.push_back(&s);
    }
  }
  std::vector<const std::string*> found;
  while (!open.empty()) {
    const StoredSpan* span = open.back();
    open.pop_back();
    const std::string* json = span->find(key);
    if (json != nullptr && json->starts_with('{')) {
      found.push_back(json);
      continue;  // what is below is in it
    }
    if (const auto it = children.find(span->span_id); it != children.end())
      open.insert(open.end(), it->second.begin(), it->second.end());
  }
  return found;
}

}  // namespace

std::optional<std::string> token_usage_of(const std::vector<StoredSpan>& spans) {
  const auto found = topmost(spans, attribute::kTokenUsage);
  if (found.empty()) return std::nullopt;
  std::array<std::int64_t, kTokenKeys.size()> sums{};
  std::array<bool, kTokenKeys.size()> told{};
  for (std::size_t i = 0; i < kAlwaysTold; ++i) told[i] = true;
  for (const std::string* json : found) {
    for (std::size_t i = 0; i < kTokenKeys.size(); ++i) {
      const auto member = json_member(*json, kTokenKeys[i]);
      const auto count = member ? json_integer(*member) : std::nullopt;
      if (!count) continue;
      told[i] = true;
      if (__builtin_add_overflow(sums[i], *count, &sums[i])) sums[i] = INT64_MAX;
    }
  }
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  for (std::size_t i = 0; i < kTokenKeys.size(); ++i) {
    if (told[i]) writer.field(kTokenKeys[i], sums[i]);
  }
  writer.end_object();
  return spaced_json(out);
}

std::optional<std::string> cost_of(const std::vector<StoredSpan>& spans) {
  const auto found = topmost(spans, attribute::kCost);
  if (found.empty()) return std::nullopt;
  std::array<double, kCostKeys.size()> sums{};
  simdjson::dom::parser parser;
  for (const std::string* json : found) {
    simdjson::dom::element element;
    if (parser.parse(*json).get(element) != simdjson::SUCCESS) continue;
    for (std::size_t i = 0; i < kCostKeys.size(); ++i) {
      double cost = 0;
      if (element.at_key(kCostKeys[i]).get_double().get(cost) == simdjson::SUCCESS && std::isfinite(cost))
        sums[i] += cost;
    }
  }
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  for (std::size_t i = 0; i < kCostKeys.size(); ++i) writer.field(kCostKeys[i], sums[i]);
  writer.end_object();
  return spaced_json(out);
}

}  // namespace spanferry::mlflow
