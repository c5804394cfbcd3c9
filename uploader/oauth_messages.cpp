#include "uploader/oauth_messages.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/ids.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/verdict.hpp"

namespace spanferry::uploader {
namespace {

using std::chrono::milliseconds;
namespace dom = simdjson::dom;

constexpr std::size_t kMaxAnswerBytes = 256U << 10;
constexpr std::size_t kMaxTokenBytes = 32U << 10;
constexpr double kShortestSeconds = 1, kLongestSeconds = 86'400;
// Of a token whose answer does not say how long it lives.
constexpr double kUnsaidSeconds = 600;
constexpr milliseconds kLongestWait{600'000};

net::HttpRequest get(std::string url) {
  net::HttpRequest request;
  request.method = "GET";
  request.url = std::move(url);
  request.headers.emplace_back("Accept", "application/json");
  request.max_response_bytes = kMaxAnswerBytes;
  return request;
}

std::optional<std::string> url_in(std::string_view body, const char* key) {
  dom::parser parser;
  std::string_view url;
  if (parser.parse(simdjson::padded_string(body)).at_key(key).get(url) != simdjson::SUCCESS ||
      !parse_endpoint(url))
    return std::nullopt;
  return std::string(url);
}

double seconds_of(const dom::element& root) {
  const auto said = root.at_key("expires_in");
  double seconds = kUnsaidSeconds;
  std::string_view text;
  if (said.get(text) == simdjson::SUCCESS) {
    char* end = nullptr;
    const std::string digits(text);
    const double value = std::strtod(digits.c_str(), &end);
    if (end != digits.c_str()) seconds = value;
  } else if (said.get(seconds) != simdjson::SUCCESS) {
    seconds = kUnsaidSeconds;
  }
  return std::isfinite(seconds) ? std::clamp(seconds, kShortestSeconds, kLongestSeconds) : kUnsaidSeconds;
}

// It becomes part of a header.
bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTokenBytes &&
         std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

std::unexpected<CredentialFailure> failed(CredentialFailure::Kind kind, std::string sentence,
                                          std::optional<milliseconds> wait = std::nullopt) {
  return std::unexpected(CredentialFailure{kind, std::move(sentence), wait});
}

// "HTTP 401 invalid_client: Client authentication failed".
std::string reason_in(const net::HttpResponse& response, std::string_view client_secret) {
  dom::parser parser;
  dom::element root;
  std::string_view error, description;
  if (parser.parse(simdjson::padded_string(response.body)).get(root) == simdjson::SUCCESS) {
    if (root.at_key("error").get(error) != simdjson::SUCCESS) error = {};
    if (root.at_key("error_description").get(description) != simdjson::SUCCESS) description = {};
  }
  // A refusal may come with a token all the same: a server that changed its mind, a proxy in between.
  const bool has_token = response.body.contains("access_token");
  const std::string_view body = has_token ? std::string_view() : response.body;
  const std::string secret(client_secret);
  const std::string excerpt =
      excerpt_of(Surface::databricks_api, error.empty() ? body : description, std::span(&secret, 1));
  return reason_of(response.status, error.substr(0, 128), excerpt);
}

}  // namespace

net::HttpRequest workspace_metadata_request(std::string_view workspace_url) {
  return get(join_url(workspace_url, "/.well-known/databricks-config"));
}

std::optional<std::string> oidc_endpoint_of(std::string_view body) { return url_in(body, "oidc_endpoint"); }

net::HttpRequest server_metadata_request(std::string_view oidc_endpoint) {
  return get(join_url(oidc_endpoint, "/.well-known/oauth-authorization-server"));
}

std::optional<std::string> token_endpoint_of(std::string_view body) { return url_in(body, "token_endpoint"); }

bool is_as_safe(std::string_view endpoint, std::string_view workspace_url) {
  const auto there = parse_endpoint(endpoint), here = parse_endpoint(workspace_url);
  return there && here && (there->scheme == "https" || there->scheme == here->scheme);
}

net::HttpRequest token_request(std::string_view token_endpoint, std::string_view client_id,
                               std::string_view client_secret) {
  net::HttpRequest request;
  request.url = token_endpoint;
  request.headers.emplace_back("Authorization",
                               "Basic " + base64_encode(fmt::format("{}:{}", client_id, client_secret)));
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.headers.emplace_back("Accept", "application/json");
  request.body.push_back(std::make_shared<const std::string>("grant_type=client_credentials&scope=all-apis"));
  request.max_response_bytes = kMaxAnswerBytes;
  return request;
}

std::expected<GivenToken, CredentialFailure> judge_token_answer(const net::HttpResponse& response,
                                                                std::string_view token_endpoint,
                                                                std::string_view who,
                                                                std::string_view client_secret) {
  using enum CredentialFailure::Kind;
  const int status = response.status;
  if (status >= 200 && status < 300) {
    dom::parser parser;
    dom::element root;
    std::string_view token;
    if (parser.parse(simdjson::padded_string(response.body)).get(root) != simdjson::SUCCESS ||
        root.at_key("access_token").get(token) != simdjson::SUCCESS || !is_token(token))
      return failed(unreachable,
                    fmt::format("{} answers HTTP {} without an access token", token_endpoint, status));
    return GivenToken{std::string(token), milliseconds(static_cast<std::int64_t>(seconds_of(root) * 1000))};
  }
  const std::string reason = reason_in(response, client_secret);
  if (status == 400 || status == 401 || status == 403)
    return failed(refused, fmt::format("{} is refused by {}: {}", who, token_endpoint, reason));
  if (status < 500 && status != 408 && status != 425 && status != 429)
    return failed(configuration,
                  fmt::format("{} hands out no access tokens ({}); set `url` to the address of a "
                              "Databricks workspace",
                              token_endpoint, reason));
  std::optional<milliseconds> wait = response.retry_after();
  if (wait) wait = std::min(*wait, kLongestWait);
  return failed(unreachable, fmt::format("no access token from {}: {}", token_endpoint, reason), wait);
}

}  // namespace spanferry::uploader
