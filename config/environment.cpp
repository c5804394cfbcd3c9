#include "config/environment.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "model/otlp_headers.hpp"

namespace spanferry::config {
namespace {

constexpr std::array kDestinationVariables{std::string_view("MLFLOW_TRACKING_URI"),
                                           std::string_view("MLFLOW_TRACKING_TOKEN"),
                                           std::string_view("MLFLOW_TRACKING_TOKEN_FILE"),
                                           std::string_view("MLFLOW_TRACKING_USERNAME"),
                                           std::string_view("MLFLOW_TRACKING_PASSWORD"),
                                           std::string_view("MLFLOW_TRACKING_PASSWORD_FILE"),
                                           std::string_view("MLFLOW_EXPERIMENT_NAME"),
                                           std::string_view("MLFLOW_EXPERIMENT_ID"),
                                           std::string_view("DATABRICKS_HOST"),
                                           std::string_view("DATABRICKS_TOKEN"),
                                           std::string_view("DATABRICKS_TOKEN_FILE"),
                                           std::string_view("DATABRICKS_CLIENT_ID"),
                                           std::string_view("DATABRICKS_CLIENT_SECRET"),
                                           std::string_view("DATABRICKS_CONFIG_PROFILE"),
                                           std::string_view("DATABRICKS_CONFIG_FILE"),
                                           std::string_view("OTEL_EXPORTER_OTLP_ENDPOINT"),
                                           std::string_view("OTEL_EXPORTER_OTLP_HEADERS"),
                                           std::string_view("OTEL_EXPORTER_OTLP_HEADERS_FILE")};

constexpr std::string_view kTokensOnly =
    "personal access tokens are supported now: set DATABRICKS_HOST and DATABRICKS_TOKEN (or "
    "DATABRICKS_TOKEN_FILE) instead";

// What Kubernetes injects for a Service whose name begins with ours.
bool made_by_kubernetes(std::string_view name) {
  return name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.ends_with("_PORT") ||
         name.contains("_PORT_");
}

// "a, b" and "[a, \"b\"]" alike: items between commas, without brackets, quotes and white space around them.
std::vector<std::string> split_list(std::string_view text) {
  const auto trim = [](std::string_view s, std::string_view set) {
    const auto first = s.find_first_not_of(set);
    if (first == std::string_view::npos) return std::string_view{};
    return s.substr(first, s.find_last_not_of(set) - first + 1);
  };
  text = trim(text, " \t");
  // "[::1]:4318" begins with a bracket too, but does not end with one.
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  std::vector<std::string> items;
  while (true) {
    const auto comma = text.find(',');
    if (const auto item = trim(text.substr(0, comma), " \t\"'"); !item.empty()) items.emplace_back(item);
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

Raw raw(std::string_view name, std::string_view value) {
  const auto origin = fmt::format("environment {}", name);
  return {.texts = {std::string(value)}, .is_list = false, .origin = origin, .where = origin};
}

class EnvironmentDestination {
 public:
  EnvironmentDestination(const Environment& environment, Problems& problems,
                         std::vector<std::string>& notices)
      : environment_(environment), problems_(problems), notices_(notices) {}

  std::optional<RawDestination> make() {
    const auto uri = get("MLFLOW_TRACKING_URI");
    if (uri == "databricks" || uri.starts_with("databricks://") ||
        (uri.empty() && !get("DATABRICKS_HOST").empty()))
      return databricks(uri);
    if (uri.starts_with("http://") || uri.starts_with("https://")) return mlflow();
    if (!uri.empty()) {
      problems_.add("environment MLFLOW_TRACKING_URI", "",
                    "must be `databricks` or the http:// or https:// address of an MLflow server");
      return std::nullopt;
    }
    if (!get("OTEL_EXPORTER_OTLP_ENDPOINT").empty()) return otlp();
    if (const auto set = destination_variables_set(environment_); !set.empty())
      notices_.push_back(
          fmt::format("{} is set but makes no destination: none of MLFLOW_TRACKING_URI, DATABRICKS_HOST and "
                      "OTEL_EXPORTER_OTLP_ENDPOINT is",
                      fmt::join(set, ", ")));
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::string_view get(std::string_view name) const { return variable(environment_, name); }

  void take(std::string_view key, std::string_view name) {
    if (const auto value = get(name); !value.empty())
      destination_.values.insert_or_assign(std::string(key), raw(name, value));
  }

  void begin(std::string_view kind, std::string_view because_of) {
    const auto where = fmt::format("environment {}", because_of);
    destination_.label = "destination env";
    destination_.where = where;
    destination_.values["name"] = {.texts = {"env"}, .is_list = false, .origin = where, .where = where};
    destination_.values["kind"] = {
        .texts = {std::string(kind)}, .is_list = false, .origin = where, .where = where};
  }

  void take_experiment() {
    // MLflow wants both to mean the same experiment: the id is the one that cannot be renamed.
    take("experiment_id", "MLFLOW_EXPERIMENT_ID");
    if (get("MLFLOW_EXPERIMENT_ID").empty())
      take("experiment", "MLFLOW_EXPERIMENT_NAME");
    else if (!get("MLFLOW_EXPERIMENT_NAME").empty())
      notices_.emplace_back("MLFLOW_EXPERIMENT_NAME is not used: MLFLOW_EXPERIMENT_ID decides");
  }

  std::optional<RawDestination> databricks(std::string_view uri) {
    begin("databricks", uri.empty() ? "DATABRICKS_HOST" : "MLFLOW_TRACKING_URI");
    bool usable = true;
    if (uri.starts_with("databricks://")) {
      problems_.add(
          "environment MLFLOW_TRACKING_URI", "",
          fmt::format("profiles are not supported; {}, and MLFLOW_TRACKING_URI=databricks", kTokensOnly));
      usable = false;
    }
    for (const auto* name : {"DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_CONFIG_PROFILE",
                             "DATABRICKS_CONFIG_FILE"}) {
      if (get(name).empty()) continue;
      problems_.add(fmt::format("environment {}", name), "",
                    fmt::format("OAuth credentials and profiles are not supported; {}", kTokensOnly));
      usable = false;
    }
    if (!usable) return std::nullopt;
    if (get("DATABRICKS_HOST").empty()) {
      problems_.add(destination_.where, "", "DATABRICKS_HOST, the workspace's address, is not set");
      usable = false;
    }
    if (get("DATABRICKS_TOKEN").empty() && get("DATABRICKS_TOKEN_FILE").empty()) {
      problems_.add(
          destination_.where, "",
          "no credential: set DATABRICKS_TOKEN or DATABRICKS_TOKEN_FILE to a personal access token");
      usable = false;
    }
    if (!usable) return std::nullopt;
    const auto host = get("DATABRICKS_HOST");
    destination_.values["url"] =
        raw("DATABRICKS_HOST", host.contains("://") ? std::string(host) : fmt::format("https://{}", host));
    take("token", "DATABRICKS_TOKEN");
    take("token_file", "DATABRICKS_TOKEN_FILE");
    take_experiment();
    return std::move(destination_);
  }

  std::optional<RawDestination> mlflow() {
    begin("mlflow", "MLFLOW_TRACKING_URI");
    take("url", "MLFLOW_TRACKING_URI");
    take("token", "MLFLOW_TRACKING_TOKEN");
    take("token_file", "MLFLOW_TRACKING_TOKEN_FILE");
    take("username", "MLFLOW_TRACKING_USERNAME");
    take("password", "MLFLOW_TRACKING_PASSWORD");
    take("password_file", "MLFLOW_TRACKING_PASSWORD_FILE");
    take_experiment();
    return std::move(destination_);
  }

  std::optional<RawDestination> otlp() {
    begin("otlp", "OTEL_EXPORTER_OTLP_ENDPOINT");
    take("url", "OTEL_EXPORTER_OTLP_ENDPOINT");
    destination_.headers_origin = "environment OTEL_EXPORTER_OTLP_HEADERS";
    if (auto headers = parse_otlp_headers(get("OTEL_EXPORTER_OTLP_HEADERS")))
      destination_.headers = std::move(*headers);
    else
      problems_.add(destination_.headers_origin, "", headers.error().sentence);
    take("headers_file", "OTEL_EXPORTER_OTLP_HEADERS_FILE");
    return std::move(destination_);
  }

  const Environment& environment_;
  Problems& problems_;
  std::vector<std::string>& notices_;
  RawDestination destination_;
};

}  // namespace

RawValues values_from_environment(const Environment& environment, Problems& problems) {
  RawValues values;
  std::map<std::string, const KeySpec*> by_name;
  for (const auto& key : keys()) by_name.emplace(environment_name(key.path), &key);
  for (const auto& key : context_keys()) by_name.emplace(environment_name(key.path), &key);

  for (const auto& [name, value] : environment) {
    if (!name.starts_with("SPANFERRY_") || name == "SPANFERRY_CONFIG" || value.empty()) continue;
    if (const auto known = by_name.find(name); known != by_name.end()) {
      Raw said = raw(name, value);
      if (const auto type = known->second->type; type == Type::addresses || type == Type::texts) {
        said.texts = split_list(value);
        said.is_list = true;
      }
      values.emplace(known->second->path, std::move(said));
    } else if (!made_by_kubernetes(name)) {
      std::vector<std::string_view> names;
      for (const auto& [known_name, key] : by_name) names.push_back(known_name);
      const auto near = nearest(name, names);
      problems.add(fmt::format("environment {}", name), "",
                   near.empty() ? "unknown variable; no key has this name"
                                : fmt::format("unknown variable (nearest known name: {})", near));
    }
  }
  // The app's own names, where ours do not say otherwise.
  for (const auto& key : context_keys()) {
    const auto name = key.default_note.substr(1);
    if (const auto value = variable(environment, name); !value.empty())
      values.emplace(key.path, raw(name, value));
  }
  return values;
}

std::optional<RawDestination> destination_from_environment(const Environment& environment, Problems& problems,
                                                           std::vector<std::string>& notices) {
  return EnvironmentDestination(environment, problems, notices).make();
}

std::vector<std::string> destination_variables_set(const Environment& environment) {
  std::vector<std::string> set;
  for (const auto name : kDestinationVariables)
    if (!variable(environment, name).empty()) set.emplace_back(name);
  return set;
}

}  // namespace spanferry::config
