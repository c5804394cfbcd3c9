#include "model/mlflow_context.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "model/mlflow_text.hpp"

namespace spanferry::mlflow {
namespace {

// Limits of MLflow's entities, in characters (mlflow.tracing.constant, mlflow.utils.validation).
constexpr std::size_t kMaxKey = 250;
constexpr std::size_t kMaxTagValue = 4096;

constexpr std::string_view kSession = "mlflow.trace.session";
constexpr std::string_view kUser = "mlflow.trace.user";
constexpr std::string_view kTraceName = "mlflow.traceName";

// What is looked for, under which names, first to last. MLflow's own name, OpenTelemetry's semantic
// conventions (the current name, then earlier ones), then the header as HTTP instrumentations record it.
struct Rule {
  std::string_view target;  // a tag, but for the request id
  std::array<std::string_view, 4> attributes;
};
constexpr Rule kRequestRule{
    "client_request_id",
    {"mlflow.trace.client_request_id", "client_request_id", "http.request.header.x-request-id", ""}};
constexpr Rule kSessionRule{
    kSession,
    {"mlflow.trace.session", "session.id", "gen_ai.conversation.id", "http.request.header.x-session-id"}};
constexpr Rule kUserRule{kUser,
                         {"mlflow.trace.user", "user.id", "enduser.id", "http.request.header.x-user-id"}};
constexpr std::array<Rule, 4> kTagRules{{
    {"environment", {"environment", "deployment.environment.name", "deployment.environment", ""}},
    {"app_version", {"app_version", "service.version", "", ""}},
    {"deployment_id", {"deployment_id", "deployment.id", "k8s.deployment.name", ""}},
    {"region", {"region", "cloud.region", "", ""}},
}};

const std::string* find_in(const JsonAttributes& attributes, std::string_view key) {
  for (auto it = attributes.rbegin(); it != attributes.rend(); ++it) {
    if (it->key == key) return &it->json;
  }
  return nullptr;
}

// A present attribute's text; nothing when it is empty or null.
std::optional<std::string> text_of(const std::string* json) {
  if (json == nullptr || *json == "null") return std::nullopt;
  std::string text = json_as_tag(*json);
  if (text.empty()) return std::nullopt;
  return text;
}

std::optional<std::string> look_up(const Rule& rule, const std::vector<StoredSpan>& spans,
                                   const StoredSpan* root, const JsonAttributes& resource,
                                   const Defaults& defaults) {
  const auto each_name = [&rule](const auto& find) {
    for (const std::string_view name : rule.attributes) {
      if (name.empty()) break;
      if (auto text = find(name)) return text;
    }
    return std::optional<std::string>();
  };
  if (root != nullptr) {
    if (auto found = each_name([root](std::string_view name) { return text_of(root->find(name)); }))
      return found;
  }
  const auto on_any_span = [&spans](std::string_view name) {
    for (const StoredSpan& span : spans) {
      if (auto text = text_of(span.find(name))) return text;
    }
    return std::optional<std::string>();
  };
  if (auto found = each_name(on_any_span)) return found;
  if (auto found = each_name([&](std::string_view name) { return text_of(find_in(resource, name)); }))
    return found;
  if (const auto it = defaults.find(std::string(rule.target)); it != defaults.end() && !it->second.empty())
    return it->second;
  return std::nullopt;
}

// The characters of a tag's key: letters and digits of any script, "/", "_", "-", ".", ":" and space.
bool is_tag_key(std::string_view key) {
  if (key.empty() || count_characters(key) > kMaxKey) return false;
  return std::ranges::all_of(key, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u >= 0x80U || std::isalnum(u) != 0 || std::string_view("/_-.: ").contains(c);
  });
}

void put(Tags& tags, std::string_view key, std::string_view value) {
  if (is_tag_key(key))
    tags.insert_or_assign(std::string(key), std::string(cut_characters(value, kMaxTagValue)));
}

// The server's rule: every resource attribute but the SDK's own and MLflow's reserved ones.
void put_resource(Tags& tags, const JsonAttributes& resource) {
  for (const JsonAttribute& a : resource) {
    if (a.key.starts_with("telemetry.sdk.") || a.key.starts_with("mlflow.")) continue;
    put(tags, a.key, json_string(a.json).value_or(a.json));
  }
}

void put_tags_of_root(Context& context, const StoredSpan* root) {
  if (root == nullptr) return;
  for (const JsonAttribute& a : root->attributes) {
    if (!a.key.starts_with(attribute::kTraceTagPrefix)) continue;
    const std::string_view key = std::string_view(a.key).substr(attribute::kTraceTagPrefix.size());
    const std::string value = json_string(a.json).value_or(a.json);
    if (key == kTraceName) {
      context.name = std::string(cut_characters(value, kMaxTagValue));
    } else {
      put(context.tags, key, value);
    }
  }
}

}  // namespace

Context context_of(const std::vector<StoredSpan>& spans, const StoredSpan* root,
                   const JsonAttributes& resource, const Defaults& defaults) {
  Context context;
  const auto find = [&](const Rule& rule) { return look_up(rule, spans, root, resource, defaults); };
  context.client_request_id = find(kRequestRule);
  context.session = find(kSessionRule);
  context.user = find(kUserRule);
  for (const auto& [key, value] : defaults) {
    if (!value.empty() && key != kRequestRule.target) put(context.tags, key, value);
  }
  put_resource(context.tags, resource);
  for (const Rule& rule : kTagRules) {
    if (const auto value = find(rule)) put(context.tags, rule.target, *value);
  }
  if (context.session) put(context.tags, kSession, *context.session);
  if (context.user) put(context.tags, kUser, *context.user);
  put_tags_of_root(context, root);
  return context;
}

Context context_derived_by_server(const std::vector<StoredSpan>& spans, const StoredSpan* root,
                                  const JsonAttributes& resource) {
  Context context;
  for (const StoredSpan& span : spans) {
    if (!context.session) {
      context.session = text_of(span.find("session.id"));
      if (!context.session) context.session = text_of(span.find("gen_ai.conversation.id"));
    }
    if (!context.user) context.user = text_of(span.find("user.id"));
  }
  put_resource(context.tags, resource);
  put_tags_of_root(context, root);
  return context;
}

}  // namespace spanferry::mlflow
