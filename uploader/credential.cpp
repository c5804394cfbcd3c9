#include "uploader/credential.hpp"

#include <fmt/format.h>

#include "model/ids.hpp"
#include "model/otlp_headers.hpp"
#include "net/secret_file.hpp"

namespace spanferry::uploader {
namespace {

// The destination that the environment makes: its settings are known by the names of their variables.
constexpr std::string_view kFromEnvironment = "env";

Result<std::string> value_of(const Secret& secret) {
  if (secret.file.empty()) return secret.value;
  auto value = net::read_secret(secret.file);
  if (!value)
    return fail(ErrorKind::unauthorized, fmt::format("the credential file {}", value.error().sentence));
  return value;
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
    credential.headers.emplace_back("Authorization", "Bearer " + *token);
    credential.secrets.push_back(*std::move(token));
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
  const bool by_password = !by_token && !settings.username.empty();
  const Secret& secret = by_token ? settings.token : settings.password;
  if ((by_token || by_password) && !secret.file.empty()) return "the credential in " + secret.file;
  const bool from_environment = settings.name == kFromEnvironment;
  if (by_token && from_environment)
    return settings.kind == Kind::databricks ? "DATABRICKS_TOKEN" : "MLFLOW_TRACKING_TOKEN";
  if (by_password && from_environment) return "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD";
  if (by_token) return fmt::format("`token` of destination {}", settings.name);
  if (by_password) return fmt::format("`username` and `password` of destination {}", settings.name);
  if (!settings.headers_file.empty()) return "the headers in " + settings.headers_file;
  if (!settings.headers.empty())
    return from_environment ? "OTEL_EXPORTER_OTLP_HEADERS"
                            : fmt::format("`headers` of destination {}", settings.name);
  return fmt::format("no credential (destination {} has none configured)", settings.name);
}

}  // namespace spanferry::uploader
