// What a destination wants to see in Authorization and its other configured headers. Files are read anew at
// each use, so that a credential can be changed under us.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/result.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

struct Credential {
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> secrets;  // values that must not be shown
  std::string access_token;          // where it is one that can be had anew
};

// Why there is no credential to be had.
struct CredentialFailure {
  enum class Kind : std::uint8_t {
    refused,        // missing, unreadable, or refused by those who check it
    configuration,  // a setting leads to somebody who does not know it
    unreachable,    // those who hand it out do not answer now
    stopped,        // we are shutting down
  };
  Kind kind = Kind::stopped;
  std::string sentence;                           // without secrets
  std::optional<std::chrono::milliseconds> wait;  // what was asked for, with unreachable
};

// Errors: unauthorized (a file cannot be read or does not hold it; the sentence names the file).
Result<std::string> value_of(const Secret& secret);

// Headers, token or password, as far as settings say. The token of a service principal is not among them: it
// is given by an AccessToken.
// Errors: as value_of.
Result<Credential> credential_of(const DestinationSettings& settings);

void add_bearer(Credential& credential, std::string token);

// Which credential that is, for sentences: the file, the environment variable or the setting; never a value.
std::string credential_name(const DestinationSettings& settings);

}  // namespace spanferry::uploader
