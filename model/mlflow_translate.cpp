#include "model/mlflow_translate.hpp"

#include <array>
#include <span>

#include "model/json_writer.hpp"
#include "model/mlflow_text.hpp"

namespace spanferry::mlflow {
namespace {

// OpenTelemetry semantic conventions, registry of GenAI attributes (gen_ai.*), release 1.37 and later; marked
// names are those of earlier releases, still sent by SDKs and instrumentations in use. What MLflow's server
// (3.17) makes of them is the measure.
struct Mapping {
  std::string_view from, to;
};
constexpr std::array<Mapping, 8> kSpanTypes{{
    {"chat", "CHAT_MODEL"},
    {"create_agent", "AGENT"},
    {"embeddings", "EMBEDDING"},
    {"execute_tool", "TOOL"},
    {"generate_content", "LLM"},
    {"invoke_agent", "AGENT"},
    {"text_completion", "LLM"},
    {"response", "LLM"},
}};
using Names = std::span<const std::string_view>;
constexpr std::string_view kOperation = "gen_ai.operation.name";
constexpr std::array<std::string_view, 2> kInputs{"gen_ai.input.messages", "gen_ai.tool.call.arguments"};
constexpr std::array<std::string_view, 2> kOutputs{"gen_ai.output.messages", "gen_ai.tool.call.result"};
constexpr std::array<std::string_view, 2> kModels{"gen_ai.response.model", "gen_ai.request.model"};
constexpr std::array<std::string_view, 2> kProviders{"gen_ai.provider.name", "gen_ai.system" /* earlier */};
constexpr std::array<std::string_view, 1> kTools{"gen_ai.tool.definitions"};

struct UsageName {
  std::string_view key;
  std::array<std::string_view, 2> attributes;
};
constexpr std::array<UsageName, 4> kUsage{{
    {"input_tokens", {"gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens" /* earlier */}},
    {"output_tokens", {"gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens" /* earlier */}},
    {"cache_read_input_tokens", {"gen_ai.usage.cache_read.input_tokens", ""}},
    {"cache_creation_input_tokens",
     {"gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens" /* earlier */}},
}};

// Earlier releases put prompt and answer into events.
struct EventName {
  std::string_view event, attribute;
};
constexpr EventName kPromptEvent{"gen_ai.content.prompt", "gen_ai.prompt"};
constexpr EventName kCompletionEvent{"gen_ai.content.completion", "gen_ai.completion"};

const std::string* first_truthy(const StoredSpan& span, Names names) {
  for (const std::string_view name : names) {
    if (const std::string* json = span.find(name); json != nullptr && json_is_truthy(*json)) return json;
  }
  return nullptr;
}

void set(StoredSpan& span, std::string_view key, std::string json) {
  std::erase_if(span.attributes, [key](const JsonAttribute& a) { return a.key == key; });
  span.attributes.push_back({std::string(key), std::move(json)});
}

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

void translate_type(StoredSpan& span) {
  const std::string* operation = span.find(kOperation);
  if (operation == nullptr) return;
  if (const std::string* current = span.find(attribute::kSpanType)) {
    if (*current != "null" && json_string(*current).value_or("?") != "UNKNOWN") return;
  }
  const std::string name = json_string(*operation).value_or(*operation);
  for (const Mapping& m : kSpanTypes) {
    if (m.from == name) return set(span, attribute::kSpanType, quoted(m.to));
  }
}

std::optional<std::string> from_event(const StoredSpan& span, const EventName& name) {
  for (const StoredEvent& e : span.events) {
    if (e.name != name.event) continue;
    if (auto value = json_member(e.attributes, name.attribute); value && json_is_truthy(*value)) {
      // A string that holds JSON is that JSON.
      const auto text = json_string(*value);
      if (text && (text->starts_with('{') || text->starts_with('[')) && json_type(*text) != JsonType::invalid)
        return text;
      return value;
    }
  }
  return std::nullopt;
}

void translate_value(StoredSpan& span, std::string_view key, Names names, const EventName& event) {
  if (span.find(key) != nullptr) return;
  if (const std::string* json = first_truthy(span, names)) {
    set(span, key, *json);
  } else if (auto value = from_event(span, event)) {
    set(span, key, *std::move(value));
  }
}

void translate_usage(StoredSpan& span) {
  if (span.find(attribute::kTokenUsage) != nullptr) return;
  std::array<std::optional<std::int64_t>, kUsage.size()> counts;
  for (std::size_t i = 0; i < kUsage.size(); ++i) {
    for (const std::string_view name : kUsage[i].attributes) {
      if (counts[i] || name.empty()) continue;
      if (const std::string* json = span.find(name)) counts[i] = json_integer(*json);
    }
  }
  const auto& [input, output, cache_read, cache_creation] = counts;
  if (!input && !output) return;
  std::string json;
  JsonWriter writer(json);
  writer.begin_object();
  if (input) writer.field(kUsage[0].key, *input);
  if (output) writer.field(kUsage[1].key, *output);
  std::int64_t total = 0;
  if (input && output && !__builtin_add_overflow(*input, *output, &total))
    writer.field("total_tokens", total);
  if (cache_read) writer.field(kUsage[2].key, *cache_read);
  if (cache_creation) writer.field(kUsage[3].key, *cache_creation);
  writer.end_object();
  set(span, attribute::kTokenUsage, spaced_json(json));
}

void translate_model(StoredSpan& span) {
  if (span.find(attribute::kModel) != nullptr) return;
  if (const std::string* json = first_truthy(span, kModels)) return set(span, attribute::kModel, *json);
  for (const std::string_view key : {attribute::kInputs, attribute::kOutputs}) {
    const std::string* json = span.find(key);
    if (json == nullptr) continue;
    const auto model = json_member(*json, "model");
    if (!model || !json_is_truthy(*model)) continue;
    if (model->starts_with('"')) set(span, attribute::kModel, *model);
    return;
  }
}

void translate_first(StoredSpan& span, std::string_view key, Names names) {
  if (span.find(key) != nullptr) return;
  if (const std::string* json = first_truthy(span, names)) set(span, key, *json);
}

}  // namespace

void translate(StoredSpan& span) {
  translate_type(span);
  translate_value(span, attribute::kInputs, kInputs, kPromptEvent);
  translate_value(span, attribute::kOutputs, kOutputs, kCompletionEvent);
  translate_usage(span);
  translate_first(span, attribute::kTools, kTools);
  translate_model(span);
  translate_first(span, attribute::kProvider, kProviders);
}

}  // namespace spanferry::mlflow
