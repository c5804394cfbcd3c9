#include "model/mlflow_translate.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <simdjson.h>

#include "model/json_text.hpp"
#include "model/json_writer.hpp"
#include "model/mlflow_conventions.hpp"
#include "model/mlflow_price.hpp"
#include "model/mlflow_python_json.hpp"
#include "model/mlflow_text.hpp"

namespace spanferry::mlflow {
namespace {

void set(StoredSpan& span, std::string_view key, std::string json) {
  std::erase_if(span.attributes, [key](const JsonAttribute& a) { return a.key == key; });
  span.attributes.push_back({std::string(key), std::move(json)});
}

void set_text(StoredSpan& span, std::string_view key, std::string_view text) {
  set(span, key, quoted_json(text));
}

bool has(const StoredSpan& span, std::string_view key) { return span.find(key) != nullptr; }

// Whether `key` is `pattern` with "#" standing for digits, or begins so.
bool matches(std::string_view key, std::string_view pattern) {
  while (!pattern.empty()) {
    if (pattern.front() != '#') {
      if (key.empty() || key.front() != pattern.front()) return false;
      key.remove_prefix(1);
    } else {
      const std::size_t digits = std::min(key.find_first_not_of("0123456789"), key.size());
      if (digits == 0) return false;
      key.remove_prefix(digits);
    }
    pattern.remove_prefix(1);
  }
  return true;
}

const std::string* first_matching(const StoredSpan& span, std::string_view pattern) {
  for (const JsonAttribute& a : span.attributes) {
    if (matches(a.key, pattern) && json_is_truthy(a.json)) return &a.json;
  }
  return nullptr;
}

void translate_type(StoredSpan& span) {
  if (const std::string* current = span.find(attribute::kSpanType)) {
    if (*current != "null" && json_string(*current).value_or("?") != "UNKNOWN") return;
  }
  for (const Convention& c : conventions()) {
    const Found type = c.own.type != nullptr ? c.own.type(span, c) : type_from_table(span, c);
    if (type) return set_text(span, attribute::kSpanType, *type);
  }
}

void translate_inputs(StoredSpan& span) {
  if (has(span, attribute::kInputs)) return;
  for (const Convention& c : conventions()) {
    if (c.format_comes_with_inputs && c.uses_format(span) && !has(span, attribute::kMessageFormat))
      set_text(span, attribute::kMessageFormat, c.message_format);
    if (c.own.inputs != nullptr) {
      if (auto found = c.own.inputs(span, c)) return set(span, attribute::kInputs, *std::move(found));
    } else if (const std::string* found = first_truthy(span, c.inputs)) {
      return set(span, attribute::kInputs, *found);
    }
  }
  if (auto found = inputs_from_events(span)) set(span, attribute::kInputs, *std::move(found));
}

void translate_outputs(StoredSpan& span) {
  if (has(span, attribute::kOutputs)) return;
  for (const Convention& c : conventions()) {
    if (c.own.outputs != nullptr) {
      if (auto found = c.own.outputs(span, c)) return set(span, attribute::kOutputs, *std::move(found));
    } else if (const std::string* found = first_truthy(span, c.outputs)) {
      return set(span, attribute::kOutputs, *found);
    }
  }
  if (auto found = outputs_from_events(span)) set(span, attribute::kOutputs, *std::move(found));
}

using Count = std::optional<std::int64_t>;

// The first of the names that is there decides, also when what it has is no number.
Count count_of(const StoredSpan& span, Names names, bool cut_fractions) {
  for (const std::string_view name : names) {
    const std::string* json = span.find(name);
    if (json == nullptr) continue;
    if (const Count whole = json_integer(*json); whole || !cut_fractions) return whole;
    double real = 0;
    const auto [end, error] = std::from_chars(json->data(), json->data() + json->size(), real);
    if (error != std::errc{} || end != json->data() + json->size() || std::fabs(real) >= 0x1p63) return {};
    return static_cast<std::int64_t>(real);
  }
  return std::nullopt;
}

Count sum(Count a, Count b) {
  std::int64_t total = 0;
  if (!a || !b || __builtin_add_overflow(*a, *b, &total)) return std::nullopt;
  return total;
}

// {input, output, total, cache read, cache creation}, by one convention; all empty when it has none.
std::array<Count, 5> counts_by(const StoredSpan& span, const Convention& c) {
  if (c.own.has_tokens != nullptr && !c.own.has_tokens(span)) return {};
  const bool apart = c.own.input_excludes_cache;
  const Count cache_read = count_of(span, c.tokens.cache_read, apart);
  const Count cache_creation = count_of(span, c.tokens.cache_creation, apart);
  const Count output = count_of(span, c.tokens.output, apart);
  Count input = count_of(span, c.tokens.input, apart);
  if (apart) input = sum(sum(input, cache_read.value_or(0)), cache_creation.value_or(0));
  Count total = count_of(span, c.tokens.total, apart);
  if (!total) total = sum(input, output);
  if (!input && !output && !total) return {};
  return {input, output, total, cache_read, cache_creation};
}

void translate_usage(StoredSpan& span) {
  static constexpr std::array<std::string_view, 5> kKeys{"input_tokens", "output_tokens", "total_tokens",
                                                         "cache_read_input_tokens",
                                                         "cache_creation_input_tokens"};
  if (has(span, attribute::kTokenUsage)) return;
  for (const Convention& c : conventions()) {
    const auto counts = counts_by(span, c);
    if (std::ranges::none_of(counts, [](const Count& n) { return n.has_value(); })) continue;
    std::string json;
    JsonWriter writer(json);
    writer.begin_object();
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i]) writer.field(kKeys[i], *counts[i]);
    }
    writer.end_object();
    return set(span, attribute::kTokenUsage, spaced_json(json));
  }
}

void translate_format(StoredSpan& span) {
  if (has(span, attribute::kMessageFormat)) return;
  for (const Convention& c : conventions()) {
    if (c.uses_format != nullptr && !c.format_comes_with_inputs && c.uses_format(span))
      return set_text(span, attribute::kMessageFormat, c.message_format);
  }
}

void translate_tools(StoredSpan& span) {
  if (has(span, attribute::kTools)) return;
  for (const Convention& c : conventions()) {
    if (const std::string* found = first_truthy(span, c.tools)) return set(span, attribute::kTools, *found);
  }
}

// What the app sent to or got from the model names it too.
Found model_in_messages(const StoredSpan& span) {
  for (const std::string_view key : {attribute::kInputs, attribute::kOutputs}) {
    const std::string* json = span.find(key);
    const auto model = json != nullptr ? json_member(*json, "model") : std::nullopt;
    if (!model || !json_is_truthy(*model)) continue;
    return model->starts_with('"') ? model : std::nullopt;
  }
  return std::nullopt;
}

void translate_model(StoredSpan& span) {
  if (has(span, attribute::kModel)) return;
  for (const Convention& c : conventions()) {
    if (const std::string* found = first_truthy(span, c.models))
      return set(span, attribute::kModel, python_json(*found, Escape::needed));
  }
  if (auto found = model_in_messages(span)) set(span, attribute::kModel, *std::move(found));
}

void translate_provider(StoredSpan& span) {
  if (has(span, attribute::kProvider)) return;
  for (const Convention& c : conventions()) {
    if (const std::string* found = first_truthy(span, c.providers))
      return set(span, attribute::kProvider, python_json(*found, Escape::needed));
  }
}

void add_cost(StoredSpan& span) {
  const std::string* usage = span.find(attribute::kTokenUsage);
  const std::string* model = span.find(attribute::kModel);
  if (has(span, attribute::kCost) || usage == nullptr || model == nullptr) return;
  const std::string* provider = span.find(attribute::kProvider);
  const auto cost = cost_of_call(*model, *usage, provider != nullptr ? *provider : "null");
  if (!cost) return;
  std::string json = "{\"input_cost\": ";
  append_python_double(json, cost->input);
  json += ", \"output_cost\": ";
  append_python_double(json, cost->output);
  json += ", \"total_cost\": ";
  append_python_double(json, cost->input + cost->output);
  json += '}';
  set(span, attribute::kCost, std::move(json));
}

}  // namespace

const std::string* first_truthy(const StoredSpan& span, Names names) {
  for (const std::string_view name : names) {
    const std::string* json = name.contains('#') ? first_matching(span, name) : span.find(name);
    if (json != nullptr && json_is_truthy(*json)) return json;
  }
  return nullptr;
}

Found type_named(std::string_view name, const Convention& convention) {
  const auto it = std::ranges::find(convention.types, name, &TypeName::from);
  if (it == convention.types.end()) return std::nullopt;
  return std::string(it->to);
}

Found type_from_table(const StoredSpan& span, const Convention& convention) {
  const std::string* json = convention.type_name.empty() ? nullptr : span.find(convention.type_name);
  const auto name = json != nullptr ? json_string(*json) : std::nullopt;
  return name ? type_named(*name, convention) : std::nullopt;
}

void translate(StoredSpan& span) {
  translate_type(span);
  translate_inputs(span);
  translate_outputs(span);
  translate_usage(span);
  translate_format(span);
  translate_tools(span);
  translate_model(span);
  translate_provider(span);
  add_cost(span);
}

}  // namespace spanferry::mlflow
