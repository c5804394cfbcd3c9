// Spans of types claude_code.*: which attribute holds the content depends on the kind of span.
#include <array>

#include "model/mlflow_conventions_own.hpp"
#include "model/mlflow_python_json.hpp"
#include "model/mlflow_text.hpp"

namespace spanferry::mlflow::own {
namespace {

enum class Kind : std::uint8_t { other, interaction, request, tool };

constexpr std::string_view kRedacted = "\"<REDACTED>\"";  // unless the user opted in to telling

Kind kind_of(const StoredSpan& span) {
  const std::string* json = span.find("span.type");
  const auto text = json != nullptr ? json_string(*json) : std::nullopt;
  if (!text) return Kind::other;
  std::string_view name = *text;
  if (constexpr std::string_view kPrefix = "claude_code."; name.starts_with(kPrefix))
    name.remove_prefix(kPrefix.size());
  if (name == "interaction") return Kind::interaction;
  if (name == "llm_request") return Kind::request;
  return name == "tool" ? Kind::tool : Kind::other;
}

Found content(const StoredSpan& span, std::string_view key) {
  const std::string* json = span.find(key);
  if (json == nullptr || *json == kRedacted || !json_is_truthy(*json)) return std::nullopt;
  return *json;
}

Found details_of_tool(const StoredSpan& span) {
  static constexpr std::array<std::string_view, 4> kDetails{"full_command", "file_path", "skill_name",
                                                            "subagent_type"};
  std::string out = "{";
  for (const std::string_view key : kDetails) {
    const auto value = content(span, key);
    if (!value) continue;
    if (out.size() > 1) out += ", ";
    append_python_string(out, key, Escape::non_ascii);
    out += ": ";
    out += python_json(*value, Escape::non_ascii);
  }
  if (out.size() == 1) return std::nullopt;
  out += '}';
  return out;
}

}  // namespace

bool is_cli_request(const StoredSpan& span) { return kind_of(span) == Kind::request; }

Found cli_inputs(const StoredSpan& span, const Convention&) {
  const Kind kind = kind_of(span);
  if (kind == Kind::interaction) {
    if (auto prompt = content(span, "user_prompt")) return prompt;
    return content(span, "new_context");
  }
  if (kind == Kind::request) return content(span, "new_context");
  if (kind != Kind::tool) return std::nullopt;
  if (auto input = content(span, "tool_input")) return input;
  return details_of_tool(span);
}

Found cli_outputs(const StoredSpan& span, const Convention&) {
  const Kind kind = kind_of(span);
  if (kind == Kind::request) return content(span, "response.model_output");
  if (kind == Kind::tool) return content(span, "new_context");
  return std::nullopt;
}

Found cli_output_event(const StoredSpan& span) {
  static constexpr std::array<std::string_view, 3> kKeys{"output", "content", "diff"};
  if (kind_of(span) != Kind::tool) return std::nullopt;
  for (const StoredEvent& e : span.events) {
    if (e.name != "tool.output") continue;
    for (const std::string_view key : kKeys) {
      const auto raw = json_member(e.attributes, key);
      if (!raw) continue;
      const std::string value = unwrapped(*raw, 1);
      if (value != kRedacted && json_is_truthy(value)) return python_json(value, Escape::needed);
    }
  }
  return std::nullopt;
}

}  // namespace spanferry::mlflow::own
