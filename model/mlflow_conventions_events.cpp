// Conventions that put prompt and answer into span events. What stands in an event is read as json.loads
// would: a text that is JSON is that JSON.
#include <array>

#include "model/mlflow_conventions_own.hpp"
#include "model/mlflow_python_json.hpp"
#include "model/mlflow_text.hpp"

namespace spanferry::mlflow {
namespace {

// Spring AI, by OpenTelemetry's names before 1.28.
struct SingleEvent {
  std::string_view event, attribute;
};
constexpr SingleEvent kPrompt{"gen_ai.content.prompt", "gen_ai.prompt"};
constexpr SingleEvent kCompletion{"gen_ai.content.completion", "gen_ai.completion"};

// One message an event: OpenTelemetry's GenAI conventions from 1.28 to 1.36.
struct MessageEvent {
  std::string_view event, role;
};
constexpr std::array<MessageEvent, 3> kInputMessages{{
    {"gen_ai.system.message", "system"},
    {"gen_ai.user.message", "user"},
    {"gen_ai.assistant.message", "assistant"},
}};
constexpr std::array<MessageEvent, 1> kOutputMessages{
    {{"gen_ai.choice", ""}}};  // has its role in an attribute

Found member(const StoredEvent& event, std::string_view key) {
  auto value = json_member(event.attributes, key);
  if (!value || !json_is_truthy(*value)) return std::nullopt;
  return value;
}

Found from_single(const StoredSpan& span, const SingleEvent& names) {
  for (const StoredEvent& e : span.events) {
    if (e.name != names.event) continue;
    if (const auto value = member(e, names.attribute)) return unwrapped(*value, 1);
  }
  return std::nullopt;
}

std::string role_of(const StoredEvent& event, std::string_view fixed) {
  std::string out;
  if (!fixed.empty()) {
    append_python_string(out, fixed, Escape::non_ascii);
    return out;
  }
  const auto told = json_member(event.attributes, "role");
  return told ? python_json(unwrapped(*told, 1), Escape::non_ascii) : "\"assistant\"";
}

Found from_messages(const StoredSpan& span, std::span<const MessageEvent> names) {
  std::string out = "[";
  for (const StoredEvent& e : span.events) {
    for (const MessageEvent& name : names) {
      if (e.name != name.event) continue;
      const auto content = member(e, "content");
      if (!content) continue;
      if (out.size() > 1) out += ", ";
      out += "{\"role\": " + role_of(e, name.role);
      out += ", \"content\": " + python_json(unwrapped(*content, 1), Escape::non_ascii) + '}';
    }
  }
  if (out.size() == 1) return std::nullopt;
  out += ']';
  return out;
}

}  // namespace

Found inputs_from_events(const StoredSpan& span) {
  if (span.events.empty()) return std::nullopt;
  if (auto found = from_single(span, kPrompt)) return found;
  return from_messages(span, kInputMessages);
}

Found outputs_from_events(const StoredSpan& span) {
  if (span.events.empty()) return std::nullopt;
  if (auto found = from_single(span, kCompletion)) return found;
  if (auto found = from_messages(span, kOutputMessages)) return found;
  return own::cli_output_event(span);
}

}  // namespace spanferry::mlflow
