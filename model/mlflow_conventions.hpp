// The conventions of GenAI telemetry that become MLflow's own attributes, as data: which attribute of which
// convention means what. Source and measure of all of them are the translators of MLflow's server (3.17.2,
// mlflow.tracing.otel.translation); each row also names where its convention is defined. docs/conventions.md
// is generated from these tables.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/mlflow_span.hpp"

namespace spanferry::mlflow {

// Attribute names, the one that counts first. "#" in a name stands for digits; such a name also finds longer
// names that it begins.
using Names = std::span<const std::string_view>;

// From a name of the convention to a span type of MLflow.
struct TypeName {
  std::string_view from, to;
};

struct TokenNames {
  Names input = {}, output = {}, total = {}, cache_read = {}, cache_creation = {};
};

struct Convention;
// JSON text of what was found.
using Found = std::optional<std::string>;
using Finder = Found (*)(const StoredSpan&, const Convention&);
using Condition = bool (*)(const StoredSpan&);

// What a table cannot say: a function that is set stands in for the names, which it gets with its row.
struct OwnRules {
  Finder type = nullptr, inputs = nullptr, outputs = nullptr;
  Condition has_tokens = nullptr;     // whether the token names count on this span
  bool input_excludes_cache = false;  // cached tokens come on top of the input's; fractions are cut off
};

struct Convention {
  std::string_view name;
  std::string_view source;  // where the names are defined
  std::string_view type_name = {};
  std::span<const TypeName> types = {};
  Names inputs = {}, outputs = {};
  TokenNames tokens = {};
  Names models = {}, providers = {}, tools = {};
  // What tells the UI how to draw messages, and on which spans; set with the inputs or by itself.
  std::string_view message_format = {};
  Condition uses_format = nullptr;
  bool format_comes_with_inputs = false;
  OwnRules own = {};
  std::string_view notes = {};  // what `own` does, for the reader of docs/conventions.md
};

// In the order in which they are asked: the first that has a value wins, for each value anew.
std::span<const Convention> conventions();

// Prompts and answers that stand in span events, asked after all attributes.
Found inputs_from_events(const StoredSpan& span);
Found outputs_from_events(const StoredSpan& span);

// The type that the row's table gives for the value of the row's attribute.
Found type_from_table(const StoredSpan& span, const Convention& convention);
Found type_named(std::string_view name, const Convention& convention);

// The first of these attributes that is not null, false, 0, "", [] or {}; null when there is none.
const std::string* first_truthy(const StoredSpan& span, Names names);

}  // namespace spanferry::mlflow
