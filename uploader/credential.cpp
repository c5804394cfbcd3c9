#include "uploader/credential.hpp"

#include <fmt/format.h>

#include "model/databricks_profiles.hpp"
#include "model/ids.hpp"
#include "model/otlp_headers.hpp"
#include "net/secret_file.hpp"

namespace spanferry::uploader {
namespace {

// The destination that the environment makes: its settings are known by the names of their variables.
constexpr std::string_view kFromEnvironment = "env";

Result<std::string> value_in_profile(const Secret& secret) {
  const auto text = net::read_secret_text(secret.file);
  if (!text)
    return fail(ErrorKind::unauthorized, fmt::format("the credential file {}", text.error().sentence));
  const auto profiles = parse_databricks_profiles(*text);
  if (!profiles)
    return fail(ErrorKind::unauthorized, fmt::format("{}:{}", secret.file, profiles.error().sentence));
  const DatabricksProfile* profile = profiles->find(secret.profile);
  const auto* value = profile == nullptr ? nullptr : profile->find(secret.key);
  if (value == nullptr)
    return fail(ErrorKind::unauthorized, fmt::format("profile {} in {} has no `{}` any more", secret.profile,
                                                     secret.file, secret.key));
  return value->text;
}

// The secret that tells one credential from another, for its name.
const Secret& telling(const DestinationSettings& settings) {
  if (!settings.token.empty()) return settings.token;
  return settings.client_id.empty() ? settings.password : settings.client_secret;
}

Result<Headers> headers_of(const DestinationSettings& settings) {
  if (settings.headers_file.empty()) return settings.headers;
  const auto text = net::read_secret_text(settings.headers_file);
  if (!text)
    return fail(ErrorKind::unauthorized, fmt::format("the credential file {}", text.error().sentence));
  auto headers = parse_otlp_headers(*text);
  if (!headers)
    return fail(ErrorKind::unauthorized,
                fmt::format("the credential file {}: {}", settings.headers_file, headers.error().sentence));
  return headers;
}

}  // namespace

Result<std::string> value_of(const Secret& secret) {
  if (secret.file.empty()) return secret.value;
  if (!secret.profile.empty()) return value_in_profile(secret);
  auto value = net::read_secret(secret.file);
  if (!value)
    return fail(ErrorKind::unauthorized, fmt::format("the credential file {}", value.error().sentence));
  return value;
}

void add_bearer(Credential& credential, std::string token) {
  credential.headers.emplace_back("Authorization", "Bearer " + token);
  credential.secrets.push_back(std::move(token));
}

Result<Credential> credential_of(const DestinationSettings& settings) {
  Credential credential;
  auto headers = headers_of(settings);
  if (!headers) return std::unexpected(headers.error());
  for (const auto& [key, value] : *headers) {
    credential.headers.emplace_back(key, value);
    credential.secrets.push_back(value);
  }
  if (!settings.token.empty()) {
    auto token = value_of(settings.token);
    if (!token) return std::unexpected(token.error());
    add_bearer(credential, *std::move(token));
  } else if (!settings.username.empty()) {
    auto password = value_of(settings.password);
    if (!password) return std::unexpected(password.error());
    std::string pair = base64_encode(settings.username + ":" + *password);
    credential.headers.emplace_back("Authorization", "Basic " + pair);
    credential.secrets.push_back(*std::move(password));
    credential.secrets.push_back(std::move(pair));
  }
  return credential;
}

std::string credential_name(const DestinationSettings& settings) {
  const bool by_token = !settings.token.empty();
  const bool by_principal = !by_token && !settings.client_id.empty();
  const bool by_password = !by_token && !by_principal && !settings.username.empty();
  const Secret& secret = telling(settings);
  if (!secret.profile.empty()) return fmt::format("profile {} in {}", secret.profile, secret.file);
  if ((by_token || by_principal || by_password) && !secret.file.empty())
    return "the credential in " + secret.file;
  const bool from_environment = settings.name == kFromEnvironment;
  if (by_token && from_environment)
    return settings.kind == Kind::databricks ? "DATABRICKS_TOKEN" : "MLFLOW_TRACKING_TOKEN";
  if (by_principal && from_environment) return "DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET";
  if (by_password && from_environment) return "MLFLOW_TRACKING_USERNAME with MLFLOW_TRACKING_PASSWORD";
  if (by_token) return fmt::format("`token` of destination {}", settings.name);
  if (by_principal) return fmt::format("`client_id` with `client_secret` of destination {}", settings.name);
  if (by_password) return fmt::format("`username` with `password` of destination {}", settings.name);
  if (!settings.headers_file.empty()) return "the headers in " + settings.headers_file;
  if (!settings.headers.empty())
    return from_environment ? "OTEL_EXPORTER_OTLP_HEADERS"
                            : fmt::format("`headers` of destination {}", settings.name);
  return fmt::format("no credential (destination {} has none configured)", settings.name);
}

}  // namespace spanferry::uploader
