// What an answer means, by who answers: the table of docs/delivery.md as data.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "net/http_client.hpp"
#include "uploader/sender.hpp"

namespace spanferry::uploader {

// Final for the request (an Action follows), or the Sender's business (it tries again).
enum class Ruling : std::uint8_t {
  done,
  split,
  halve,
  not_found,
  exists,
  new_url,
  fallback,
  retry,         // the destination is in trouble: everything waits, one request probes
  retry_few,     // 500: trouble or something in the request; a few tries, then split
  rate_limited,  // 429: everything waits as long as it asks for
  auth,          // the credential is refused
  forbidden,     // 403: the credential is refused, or what it may do is
  config,        // an operator has to change a setting
};

struct VerdictRow {
  Surface surface;
  int first, last;              // of the statuses it is about
  std::string_view error_code;  // only with this `error_code` in the body; empty: any
  Ruling ruling;
};

// The first row that fits counts; the last rows of each surface cover every status.
std::span<const VerdictRow> verdict_table();
Ruling rule(Surface surface, int status, std::string_view error_code);

// The Action of a ruling that is final; Action::stopped for the others.
Action action_of(Ruling ruling);

// What names the error in a body: `error_code` of MLflow and Databricks, `detail` of an MLflow server's
// /v1/traces, <Code> of a storage; empty if it is none of them.
std::string error_code_of(std::string_view body);

// What of an answer may be shown and stored: valid UTF-8, at most kMaxResponseExcerptBytes, without the
// secrets given; of a storage answer its code and message alone, the rest can hold parts of the signed URL.
std::string excerpt_of(Surface surface, std::string_view body, std::span<const std::string> secrets);

// "HTTP 422 INVALID_PARAMETER_VALUE: the message", as far as the answer tells.
std::string reason_of(int status, std::string_view error_code, std::string_view excerpt);

}  // namespace spanferry::uploader
