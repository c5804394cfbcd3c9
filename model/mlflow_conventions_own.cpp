#include "model/mlflow_conventions_own.hpp"

#include <algorithm>
#include <array>

#include <simdjson.h>

#include "model/mlflow_python_json.hpp"
#include "model/mlflow_text.hpp"

namespace spanferry::mlflow::own {
namespace {

namespace dom = simdjson::dom;

// json.loads is tried up to three times on values of the Vercel AI SDK: attribute values are JSON text
// already.
constexpr int kVercelLayers = 2;

std::optional<std::string> text_at(const StoredSpan& span, std::string_view key) {
  const std::string* json = span.find(key);
  return json != nullptr ? json_string(*json) : std::nullopt;
}

bool has(const StoredSpan& span, std::string_view key) { return span.find(key) != nullptr; }

bool is_among(Names names, std::string_view key) { return std::ranges::find(names, key) != names.end(); }

// {"PREFIX's suffix": value, …} of all attributes that begin with `prefix`.
Found unpacked(const StoredSpan& span, std::string_view prefix) {
  std::string out = "{";
  for (const JsonAttribute& a : span.attributes) {
    if (!a.key.starts_with(prefix)) continue;
    const std::string_view suffix = std::string_view(a.key).substr(prefix.size());
    std::string value = unwrapped(a.json, kVercelLayers);
    if (prefix == "ai.prompt." && suffix == "tools") value = each_unwrapped(value, kVercelLayers + 1);
    if (out.size() > 1) out += ", ";
    append_python_string(out, suffix, Escape::non_ascii);
    out += ": ";
    out += python_json(value, Escape::non_ascii);
  }
  if (out.size() == 1) return std::nullopt;
  out += '}';
  return out;
}

Found truthy_copy(const StoredSpan& span, Names names) {
  const std::string* json = first_truthy(span, names);
  return json != nullptr ? Found(*json) : std::nullopt;
}

}  // namespace

bool is_gemini_cli(const StoredSpan& span) { return text_at(span, "gen_ai.agent.name") == "gemini-cli"; }

Found gemini_type(const StoredSpan& span, const Convention& convention) {
  return is_gemini_cli(span) ? type_from_table(span, convention) : std::nullopt;
}

Found gemini_inputs(const StoredSpan& span, const Convention& convention) {
  if (!is_gemini_cli(span)) return std::nullopt;
  auto value = truthy_copy(span, convention.inputs);
  if (!value || (value->front() != '[' && value->front() != '"')) return value;
  return "{\"contents\": " + python_json(*value, Escape::non_ascii) + '}';
}

// The CLI writes one content for each piece of a streamed answer; the UI draws one candidate.
Found gemini_outputs(const StoredSpan& span, const Convention& convention) {
  if (!is_gemini_cli(span)) return std::nullopt;
  auto value = truthy_copy(span, convention.outputs);
  dom::parser parser;
  dom::array contents;
  if (!value || parser.parse(*value).get_array().get(contents) != simdjson::SUCCESS) return value;
  std::string parts;
  for (const dom::element content : contents) {
    const auto list = json_member(simdjson::minify(content), "parts");
    if (!list || list->front() != '[' || !json_is_truthy(*list)) continue;
    const std::string items = python_json(*list, Escape::non_ascii);
    if (!parts.empty()) parts += ", ";
    parts.append(items, 1, items.size() - 2);  // without its brackets
  }
  if (parts.empty()) return value;
  return R"({"candidates": [{"content": {"role": "model", "parts": [)" + parts + "]}}]}";
}

bool is_vercel_chat(const StoredSpan& span) {
  const std::string* json = span.find("ai.operationId");
  if (json == nullptr) return false;
  const auto name = json_string(unwrapped(*json, kVercelLayers));
  return name == "ai.generateText.doGenerate" || name == "ai.streamText.doStream";
}

Found vercel_inputs(const StoredSpan& span, const Convention& convention) {
  return is_vercel_chat(span) ? unpacked(span, "ai.prompt.") : truthy_copy(span, convention.inputs);
}

Found vercel_outputs(const StoredSpan& span, const Convention& convention) {
  return is_vercel_chat(span) ? unpacked(span, "ai.response.") : truthy_copy(span, convention.outputs);
}

bool is_voltagent(const StoredSpan& span) {
  return has(span, "voltagent.operation_id") || has(span, "voltagent.conversation_id");
}

// A child says what it is in span.type; its entity.type is that of the agent it runs in.
Found voltagent_type(const StoredSpan& span, const Convention& convention) {
  if (auto type = type_from_table(span, convention)) return type;
  const auto entity = text_at(span, "entity.type");
  return entity ? type_named(*entity, convention) : std::nullopt;
}

bool is_livekit(const StoredSpan& span) {
  return std::ranges::any_of(span.attributes,
                             [](const JsonAttribute& a) { return a.key.starts_with("lk."); });
}

Found livekit_type(const StoredSpan& span, const Convention& convention) {
  static constexpr std::array<std::string_view, 3> kAgent{"lk.agent_name", "lk.instructions",
                                                          "lk.generation_id"};
  static constexpr std::array<std::string_view, 4> kSpeech{
      "lk.input_text", "lk.user_transcript", "lk.transcript_confidence", "lk.transcription_delay"};
  if (has(span, "gen_ai.request.model")) return "LLM";
  if (auto operation = text_at(span, convention.type_name)) {
    std::ranges::transform(*operation, operation->begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    if (auto type = type_named(*operation, convention)) return type;
  }
  for (const JsonAttribute& a : span.attributes) {
    if (a.key == "lk.retry_count") return "LLM";
    if (a.key.starts_with("lk.function_tool")) return "TOOL";
    if (is_among(kAgent, a.key)) return "AGENT";
    if (a.key.starts_with("lk.tts") || is_among(kSpeech, a.key)) return "UNKNOWN";
  }
  return std::nullopt;
}

bool is_laminar(const StoredSpan& span) { return has(span, "lmnr.span.type"); }

}  // namespace spanferry::mlflow::own
