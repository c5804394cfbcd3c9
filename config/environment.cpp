#include "config/environment.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/profiles.hpp"
#include "model/otlp_headers.hpp"

namespace spanferry::config {
namespace {

constexpr std::array kDestinationVariables{std::string_view("MLFLOW_TRACKING_URI"),
                                           std::string_view("MLFLOW_TRACKING_TOKEN"),
                                           std::string_view("MLFLOW_TRACKING_TOKEN_FILE"),
                                           std::string_view("MLFLOW_TRACKING_USERNAME"),
                                           std::string_view("MLFLOW_TRACKING_PASSWORD"),
                                           std::string_view("MLFLOW_TRACKING_PASSWORD_FILE"),
                                           std::string_view("MLFLOW_TRACKING_SERVER_CERT_PATH"),
                                           std::string_view("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
                                           std::string_view("MLFLOW_EXPERIMENT_NAME"),
                                           std::string_view("MLFLOW_EXPERIMENT_ID"),
                                           std::string_view("MLFLOW_TRACING_SQL_WAREHOUSE_ID"),
                                           std::string_view("DATABRICKS_HOST"),
                                           std::string_view("DATABRICKS_TOKEN"),
                                           std::string_view("DATABRICKS_TOKEN_FILE"),
                                           std::string_view("DATABRICKS_CLIENT_ID"),
                                           std::string_view("DATABRICKS_CLIENT_SECRET"),
                                           std::string_view("DATABRICKS_CLIENT_SECRET_FILE"),
                                           std::string_view("DATABRICKS_AUTH_TYPE"),
                                           std::string_view("DATABRICKS_CONFIG_PROFILE"),
                                           std::string_view("DATABRICKS_CONFIG_FILE"),
                                           std::string_view("OTEL_EXPORTER_OTLP_ENDPOINT"),
                                           std::string_view("OTEL_EXPORTER_OTLP_CERTIFICATE"),
                                           std::string_view("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
                                           std::string_view("OTEL_EXPORTER_OTLP_CLIENT_KEY"),
                                           std::string_view("OTEL_EXPORTER_OTLP_HEADERS"),
                                           std::string_view("OTEL_EXPORTER_OTLP_HEADERS_FILE")};

constexpr std::string_view kProfileUri = "databricks://";

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
  EnvironmentDestination(const Environment& environment, const Machine& machine, Problems& problems,
                         std::vector<std::string>& notices)
      : environment_(environment), machine_(machine), problems_(problems), notices_(notices) {}

  std::optional<RawDestination> make() {
    const auto uri = get("MLFLOW_TRACKING_URI");
    if (uri == "databricks" || uri.starts_with(kProfileUri) ||
        (uri.empty() && !get("DATABRICKS_HOST").empty()))
      return databricks(uri);
    if (uri.starts_with("http://") || uri.starts_with("https://")) return mlflow();
    if (!uri.empty()) {
      problems_.add(
          "environment MLFLOW_TRACKING_URI", "",
          "must be `databricks`, `databricks://PROFILE` or the http:// or https:// address of an MLflow "
          "server");
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
    const auto before = problems_.lines.size();
    begin("databricks", uri.empty() ? "DATABRICKS_HOST" : "MLFLOW_TRACKING_URI");
    const auto host = get("DATABRICKS_HOST");
    if (!host.empty()) destination_.values["url"] = raw("DATABRICKS_HOST", url_of_host(host));
    take("token", "DATABRICKS_TOKEN");
    take("token_file", "DATABRICKS_TOKEN_FILE");
    take("client_id", "DATABRICKS_CLIENT_ID");
    take("client_secret", "DATABRICKS_CLIENT_SECRET");
    take("client_secret_file", "DATABRICKS_CLIENT_SECRET_FILE");
    take("sql_warehouse_id", "MLFLOW_TRACING_SQL_WAREHOUSE_ID");
    take_experiment();
    take_profile_of(uri);
    if (const auto type = get("DATABRICKS_AUTH_TYPE"); !type.empty())
      choose_credential(destination_, type, "environment DATABRICKS_AUTH_TYPE", problems_);
    if (problems_.lines.size() > before) return std::nullopt;
    if (!has("url"))
      problems_.add(destination_.where, "", "DATABRICKS_HOST, the workspace's address, is not set");
    if (!has("token") && !has("token_file") && !has("client_id") && !has("client_secret") &&
        !has("client_secret_file"))
      problems_.add(
          destination_.where, "",
          "no credential: set DATABRICKS_TOKEN (or DATABRICKS_TOKEN_FILE), DATABRICKS_CLIENT_ID with "
          "DATABRICKS_CLIENT_SECRET (or DATABRICKS_CLIENT_SECRET_FILE), or "
          "DATABRICKS_CONFIG_PROFILE");
    if (problems_.lines.size() > before) return std::nullopt;
    return std::move(destination_);
  }

  [[nodiscard]] bool has(std::string_view key) const { return destination_.values.contains(key); }

  // databricks://PROFILE goes before DATABRICKS_CONFIG_PROFILE; the file's default profile counts where
  // nothing else says anything.
  void take_profile_of(std::string_view uri) {
    WantedProfile wanted{.name = {}, .where = destination_.where, .merges_credentials = true};
    if (uri.starts_with(kProfileUri)) {
      wanted.name = uri.substr(kProfileUri.size());
      if (wanted.name.empty() || wanted.name.find_first_of(":/") != std::string::npos)
        return problems_.add(wanted.where, "", "must name a profile: databricks://PROFILE");
    } else if (const auto profile = get("DATABRICKS_CONFIG_PROFILE"); !profile.empty()) {
      wanted.name = profile;
      wanted.where = "environment DATABRICKS_CONFIG_PROFILE";
    } else if (has("url") || has("token") || has("token_file") || has("client_id")) {
      return;
    }
    take_profile(destination_, wanted, environment_, machine_, problems_);
  }

  std::optional<RawDestination> mlflow() {
    begin("mlflow", "MLFLOW_TRACKING_URI");
    take("url", "MLFLOW_TRACKING_URI");
    take("token", "MLFLOW_TRACKING_TOKEN");
    take("token_file", "MLFLOW_TRACKING_TOKEN_FILE");
    take("username", "MLFLOW_TRACKING_USERNAME");
    take("password", "MLFLOW_TRACKING_PASSWORD");
    take("password_file", "MLFLOW_TRACKING_PASSWORD_FILE");
    take("ca_file", "MLFLOW_TRACKING_SERVER_CERT_PATH");
    take("client_certificate", "MLFLOW_TRACKING_CLIENT_CERT_PATH");
    take_experiment();
    return std::move(destination_);
  }

  std::optional<RawDestination> otlp() {
    begin("otlp", "OTEL_EXPORTER_OTLP_ENDPOINT");
    take("url", "OTEL_EXPORTER_OTLP_ENDPOINT");
    take("ca_file", "OTEL_EXPORTER_OTLP_CERTIFICATE");
    take("client_certificate", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE");
    take("client_key", "OTEL_EXPORTER_OTLP_CLIENT_KEY");
    destination_.headers_origin = "environment OTEL_EXPORTER_OTLP_HEADERS";
    if (auto headers = parse_otlp_headers(get("OTEL_EXPORTER_OTLP_HEADERS")))
      destination_.headers = std::move(*headers);
    else
      problems_.add(destination_.headers_origin, "", headers.error().sentence);
    take("headers_file", "OTEL_EXPORTER_OTLP_HEADERS_FILE");
    return std::move(destination_);
  }

  const Environment& environment_;
  const Machine& machine_;
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

std::optional<RawDestination> destination_from_environment(const Environment& environment,
                                                           const Machine& machine, Problems& problems,
                                                           std::vector<std::string>& notices) {
  return EnvironmentDestination(environment, machine, problems, notices).make();
}

std::vector<std::string> destination_variables_set(const Environment& environment) {
  std::vector<std::string> set;
  for (const auto name : kDestinationVariables)
    if (!variable(environment, name).empty()) set.emplace_back(name);
  return set;
}

}  // namespace spanferry::config
