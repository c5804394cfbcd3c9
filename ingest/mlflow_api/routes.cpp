// Which path is whose. A segment {} may be anything, {*} is the rest of the path; a|b is one of both.
#include <algorithm>
#include <array>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "model/utf8.hpp"

namespace spanferry::ingest {
namespace {

struct ApiRoute {
  std::string_view method, path;
  ApiHandler handler;
};

constexpr auto kRoutes = std::to_array<ApiRoute>({
    // CONTRACT 1.4
    {"GET", "/version", tell_version},
    {"GET", "/health", tell_health},
    {"GET", "/api/3.0/mlflow/server-info", tell_server_info},
    // 1.7
    {"GET", "/api/2.0/mlflow/experiments/get-by-name", experiment_by_name},
    {"GET", "/api/2.0/mlflow/experiments/get", experiment_by_id},
    {"POST", "/api/2.0/mlflow/experiments/create", create_experiment},
    {"POST", "/api/2.0/mlflow/experiments/search", search_experiments},
    {"POST", "/api/2.0/mlflow/experiments/set-experiment-tag", set_experiment_tag},
    // 1.2
    {"POST", "/api/3.0/mlflow/traces", start_trace},
    {"POST", "/api/2.0/mlflow/traces", refuse_v2_start},
    // 1.4
    {"GET", "/api/3.0/mlflow/traces/get", get_trace},
    {"GET", "/api/3.0/mlflow/traces/batchGet", batch_get_traces},
    {"POST", "/api/3.0/mlflow/traces/search", search_traces},
    {"POST", "/api/4.0/mlflow/traces/search-long-running", search_traces_long_running},
    {"GET", "/api/2.0|3.0/mlflow/traces/{}", get_trace_info},
    // 2.2
    {"GET", "/.well-known/databricks-config", tell_workspace},
    {"GET", "/oidc/.well-known/oauth-authorization-server", tell_token_endpoint},
    {"POST", "/oidc/v1/token", give_token},
    {"GET", "/api/2.0|3.0/mlflow/traces/{}/credentials-for-data-upload", credentials_for_upload},
    {"GET", "/api/2.0|3.0/mlflow/traces/{}/credentials-for-data-download", credentials_for_download},
    {"PUT", "/mlflow-storage/{}/{}/{*}", put_stored},
    {"GET", "/mlflow-storage/{}/{}/{*}", get_stored},
    {"POST", "/api/2.0|3.0/mlflow/traces/delete-traces", delete_traces},
    // 1.5
    {"PATCH", "/api/2.0|3.0/mlflow/traces/{}/tags", set_tag},
    {"DELETE", "/api/2.0|3.0/mlflow/traces/{}/tags", delete_tag},
    // 1.6
    {"POST", "/api/2.0|3.0/mlflow/traces/{}/assessments", create_assessment},
    {"GET", "/api/2.0|3.0/mlflow/traces/{}/assessments/{}", get_assessment},
    {"PATCH", "/api/2.0|3.0/mlflow/traces/{}/assessments/{}", update_assessment},
    {"DELETE", "/api/2.0|3.0/mlflow/traces/{}/assessments/{}", delete_assessment},
    // 1.3
    {"PUT", "/api/2.0/mlflow-artifacts/artifacts/{}/traces/{}/artifacts/{*}", put_artifact},
    {"GET", "/api/2.0/mlflow-artifacts/artifacts/{}/traces/{}/artifacts/{*}", get_artifact},
    // 2.3; the first {} is the location
    {"POST", "/api/5.0/mlflow/tracing/locations", make_table_location},
    {"GET", "/api/5.0/mlflow/tracing/locations/{}", read_table_location},
    {"POST", "/api/5.0/mlflow/experiments/{}/trace-location:link", link_table_location},
    {"GET", "/api/4.0/mlflow/traces/{}/batchGet", batch_get_traces},
    {"POST", "/api/4.0/mlflow/traces/{}/{}/info", start_trace_v4},
    {"GET", "/api/4.0/mlflow/traces/{}/{}/info", get_trace_info_v4},
    {"PATCH", "/api/4.0/mlflow/traces/{}/{}/tags", set_tag},
    {"DELETE", "/api/4.0/mlflow/traces/{}/{}/tags/{}", delete_tag},
    {"POST", "/api/4.0/mlflow/traces/{}/{}/assessments", create_assessment},
    {"GET", "/api/4.0/mlflow/traces/{}/{}/assessments/{}", get_assessment},
    {"PATCH", "/api/4.0/mlflow/traces/{}/{}/assessments/{}", update_assessment},
    {"DELETE", "/api/4.0/mlflow/traces/{}/{}/assessments/{}", delete_assessment},
});

// The paths that are ours, known or not: what is not served below them says so in MLflow's words.
constexpr auto kPrefixes = std::to_array<std::string_view>(
    {"/api/2.0/mlflow/", "/api/3.0/mlflow/", "/api/4.0/", "/api/5.0/", "/api/2.0/mlflow-artifacts/"});
constexpr std::string_view kLocatedTraces = "/api/4.0/mlflow/traces/{}/";
constexpr auto kMethods = std::to_array<std::string_view>({"GET", "POST", "PUT", "PATCH", "DELETE"});

std::string_view next_segment(std::string_view& path) {
  path.remove_prefix(1);
  const auto end = std::min(path.find('/'), path.size());
  const auto segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

bool is_one_of(std::string_view segment, std::string_view choices) {
  while (true) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == segment) return true;
    if (bar == std::string_view::npos) return false;
    choices.remove_prefix(bar + 1);
  }
}

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string_view>& parts) {
  parts.clear();
  while (!pattern.empty()) {
    if (path.empty()) return false;
    const auto wanted = next_segment(pattern);
    if (wanted == "{*}") {
      parts.push_back(path.substr(1));
      return path.size() > 1;
    }
    const auto segment = next_segment(path);
    if (wanted == "{}") {
      if (segment.empty()) return false;
      parts.push_back(segment);
    } else if (!is_one_of(segment, wanted)) {
      return false;
    }
  }
  return path.empty();
}

// Exact segments stand before {} in the table, so the first that matches is the right one.
void serve(Api& api, const Request& request, Reply reply) {
  if (!is_valid_utf8(request.path)) return reply(invalid("the path is not UTF-8"));
  std::vector<std::string_view> parts;
  const std::string_view method = request.method == "HEAD" ? "GET" : request.method;
  for (const ApiRoute& route : kRoutes)
    if (route.method == method && matches(route.path, request.path, parts)) {
      auto call = call_of(request, std::move(parts));
      if (route.path.starts_with(kLocatedTraces)) {
        call.location = call.parts.front();
        call.parts.erase(call.parts.begin());
      }
      return route.handler(api, call, std::move(reply));
    }
  reply(not_served(request.method, request.path));
}

}  // namespace

Endpoint feedback_endpoint(Api& api) {
  return {"POST", "/api/spanferry/v1/feedback", Audience::loopback,
          [&api](const Request& request, Reply reply) {
            give_feedback(api, call_of(request, {}), std::move(reply));
          }};
}

std::vector<Endpoint> mlflow_endpoints(Api& api) {
  std::vector<Endpoint> endpoints;
  const auto add = [&](std::string_view method, std::string_view path, Audience audience) {
    endpoints.push_back(
        {std::string(method), std::string(path), audience,
         [&api](const Request& request, Reply reply) { serve(api, request, std::move(reply)); }, UINT64_MAX});
  };
  for (const auto prefix : kPrefixes)
    for (const auto method : kMethods) add(method, prefix, Audience::loopback);
  add("GET", "/version", Audience::loopback);
  add("GET", "/health", Audience::everyone);
  add("GET", "/.well-known/databricks-config", Audience::everyone);
  add("GET", "/oidc/.well-known/oauth-authorization-server", Audience::everyone);
  add("POST", "/oidc/v1/token", Audience::loopback);
  for (const auto& [method, what] : {std::pair("PUT", Signed::write), std::pair("GET", Signed::read)}) {
    add(method, kStoragePath, Audience::everyone);
    endpoints.back().admits = [&api, what](std::string_view path, std::string_view query) {
      return api.signer.check(path, query, what, api.now_ms()).has_value();
    };
  }
  return endpoints;
}

}  // namespace spanferry::ingest
