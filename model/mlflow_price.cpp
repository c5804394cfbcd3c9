#include "model/mlflow_price.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <unordered_map>

#include <simdjson.h>

#include "model/mlflow_text.hpp"

// The last digits shall be those that Python computes, on every processor.
#pragma clang fp contract(off)

namespace spanferry::mlflow {
namespace {

namespace dom = simdjson::dom;

constexpr double kNotTold = -1;

struct Price {
  std::string_view model;
  double input = kNotTold, output = kNotTold, cache_read = kNotTold, cache_write = kNotTold,
         cache_write_hour = kNotTold;  // that is kept for an hour
};
struct Provider {
  std::string_view name;
  std::size_t first, count;  // of kPrices, sorted by model
};

#include "model/mlflow_prices.inc"

// The first list that has a price for the model's input, else the first that knows it.
std::unordered_map<std::string_view, const Price*> best_by_model() {
  std::unordered_map<std::string_view, const Price*> best;
  best.reserve(kPrices.size());
  for (const Price& price : kPrices) {
    const auto [it, fresh] = best.emplace(price.model, &price);
    if (!fresh && it->second->input <= 0 && price.input > 0) it->second = &price;
  }
  return best;
}

const Price* find_in_any_list(std::string_view model) {
  static const auto best = best_by_model();
  const auto it = best.find(model);
  return it != best.end() ? it->second : nullptr;
}

const Price* find_in_list(std::string_view provider, std::string_view model) {
  const auto* const list = std::ranges::find(kProviders, provider, &Provider::name);
  if (list == kProviders.end()) return nullptr;
  const auto prices = std::span(kPrices).subspan(list->first, list->count);
  const auto it = std::ranges::lower_bound(prices, model, {}, &Price::model);
  return it != prices.end() && it->model == model ? &*it : nullptr;
}

const Price* find_price(std::string_view model, const std::optional<std::string>& provider) {
  const std::string_view bare = model.substr(model.find('/') + 1);  // "openai/gpt-x" → "gpt-x"
  if (provider && !provider->empty()) {
    std::string name = *provider;
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    if (const Price* found = find_in_list(name, bare)) return found;
  } else if (model.starts_with("databricks-") || model.starts_with("databricks/")) {
    if (const Price* found = find_in_list("databricks", bare)) return found;
  }
  return find_in_any_list(bare);
}

struct Usage {
  double input = 0, output = 0, cache_read = 0, cache_write = 0, cache_write_hour = 0;
};

// Whether `key` is not there or has a number.
bool read(const dom::object& object, std::string_view key, double& number) {
  const auto member = object.at_key(key);
  if (member.error() != simdjson::SUCCESS) return true;
  return member.get_double().get(number) == simdjson::SUCCESS;
}

std::optional<Usage> read_usage(std::string_view json) {
  dom::parser parser;
  dom::object object;
  Usage usage;
  if (parser.parse(json.data(), json.size()).get_object().get(object) != simdjson::SUCCESS ||
      !read(object, "input_tokens", usage.input) || !read(object, "output_tokens", usage.output) ||
      !read(object, "cache_read_input_tokens", usage.cache_read) ||
      !read(object, "cache_creation_input_tokens", usage.cache_write) ||
      !read(object, "cache_creation_input_tokens_above_1hr", usage.cache_write_hour))
    return std::nullopt;
  return usage;
}

double per_token(double per_million, double otherwise) {
  return per_million == kNotTold ? otherwise : per_million / 1'000'000;
}

Cost cost_at(const Price& price, const Usage& usage) {
  const double input = per_token(price.input, 0);
  const double write = per_token(price.cache_write, input);
  const double hour_tokens = std::min(usage.cache_write_hour, usage.cache_write);
  const double write_tokens = usage.cache_write - hour_tokens;
  Cost cost;
  cost.input = std::max(usage.input - usage.cache_read - usage.cache_write, 0.0) * input;
  if (usage.cache_read > 0) cost.input += usage.cache_read * per_token(price.cache_read, input);
  if (write_tokens > 0) cost.input += write_tokens * write;
  if (hour_tokens > 0) cost.input += hour_tokens * per_token(price.cache_write_hour, write);
  cost.output = usage.output * per_token(price.output, 0);
  return cost;
}

}  // namespace

std::optional<Cost> cost_of_call(std::string_view model, std::string_view usage, std::string_view provider) {
  const auto name = json_string(model);
  if (!name || name->empty() || name->starts_with("gateway:/") || name->starts_with("endpoints:/"))
    return std::nullopt;
  const auto tokens = read_usage(usage);
  if (!tokens || (tokens->input == 0 && tokens->output == 0)) return std::nullopt;
  const Price* price = find_price(*name, json_string(provider));
  if (price == nullptr) return std::nullopt;
  return cost_at(*price, *tokens);
}

}  // namespace spanferry::mlflow
