// The bearer token that callers must present, read from a file that may change under us.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "model/result.hpp"

namespace spanferry::ingest {

// Whether `text` is the token; takes the same time wherever they differ.
bool same_secret(std::string_view secret, std::string_view text);

// Looks at the file's path again at most once a second and takes what is there; while it cannot be read, the
// token that was last read stays in force. One thread.
class TokenFile {
 public:
  using Clock = std::chrono::steady_clock;

  // Errors: configuration (what net::read_secret does not take).
  static Result<std::unique_ptr<TokenFile>> open(std::string path);
  // Whether `authorization` (the header's value) is `Bearer TOKEN`, or `Basic` with any user name and our
  // token as the password: what an MLflow client makes of MLFLOW_TRACKING_PASSWORD, and a browser of its
  // prompt.
  bool allows(std::string_view authorization, Clock::time_point now = Clock::now());

 private:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}
  void refresh(Clock::time_point now);

  std::string path_;
  std::string token_;
  std::string version_;  // of the file `token_` was read from
  Clock::time_point next_look_{};
  bool told_unreadable_ = false;
};

}  // namespace spanferry::ingest
