// What a destination wants to see in Authorization and its other configured headers. Files are read anew at
// each use, so that a credential can be changed under us.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/result.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

struct Credential {
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> secrets;  // values that must not be shown
};

// Errors: unauthorized (a file cannot be read or is empty; the sentence names it).
Result<Credential> credential_of(const DestinationSettings& settings);

// Which credential that is, for sentences: the file, the environment variable or the setting; never a value.
std::string credential_name(const DestinationSettings& settings);

}  // namespace spanferry::uploader
