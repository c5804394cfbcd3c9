// The messages by which a service principal gets an access token from a Databricks workspace: OAuth 2.0
// client credentials (RFC 6749 section 4.4), with the token's endpoint found by metadata (RFC 8414). No I/O.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_client.hpp"
#include "uploader/credential.hpp"

namespace spanferry::uploader {

struct GivenToken {
  std::string token;
  std::chrono::milliseconds lifetime{0};  // from when it was asked for, at least
};

// GET of the workspace's own description, where its authorization server is named; and what the answer says.
// Nothing: it does not say.
net::HttpRequest workspace_metadata_request(std::string_view workspace_url);
std::optional<std::string> oidc_endpoint_of(std::string_view body);

// GET of that server's metadata, where the token's endpoint is named.
net::HttpRequest server_metadata_request(std::string_view oidc_endpoint);
std::optional<std::string> token_endpoint_of(std::string_view body);

// Whether a client secret may be sent to `endpoint` when the operator has said `workspace_url`: an answer
// must not lead from https to plain http.
bool is_as_safe(std::string_view endpoint, std::string_view workspace_url);

net::HttpRequest token_request(std::string_view token_endpoint, std::string_view client_id,
                               std::string_view client_secret);
// `who`: the credential's name, for the sentence.
std::expected<GivenToken, CredentialFailure> judge_token_answer(const net::HttpResponse& response,
                                                                std::string_view token_endpoint,
                                                                std::string_view who,
                                                                std::string_view client_secret);

}  // namespace spanferry::uploader
