// Answers: what is said, and its bytes on the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/counters.hpp"
#include "ingest/head.hpp"
#include "model/otlp_json.hpp"

namespace spanferry::ingest {

struct Answer {
  int status = 200;
  std::string_view content_type;  // static text; endpoints' own are in `headers`
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<Rejection> reason;  // to be counted
  bool close = false;               // whatever the client asked for
};

// The encoding of the request, hence of its answer; JSON when it is neither.
OtlpEncoding encoding_of(const Head& head);

// An error answer in the form that this path's clients read: google.rpc.Status in the request's encoding, or
// {"error_code", "message"} under /api/ (not for OTLP).
Answer refusal(const Head& head, int status, Rejection reason, std::string_view message);
// 503 with Retry-After: 1.
Answer try_later(const Head& head, Rejection reason, std::string_view message);
// 200; with refused spans, partial success.
Answer accepted(const Head& head, std::uint64_t refused_spans, std::string_view refused_reason);

// The bytes of the answer. `head_only`: for HEAD, all but the body. `close` adds Connection: close.
std::string serialize(const Answer& answer, bool head_only, bool close, bool is_http_1_0);

}  // namespace spanferry::ingest
