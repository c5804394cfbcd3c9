// The rare path behind scan_traces_request: writes a request anew without the spans to refuse and with the
// others repaired.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spanferry::otlp {

struct Rewrite {
  std::string body;
  std::uint32_t refused_spans = 0;
  std::string refused_reason;  // of the first
  bool repaired = false;       // something else than a refused span was not sound
};

// `request` must have been walked by the checks once without an exception. Sound messages and unknown fields
// are copied as they are; scopes and resources that held refused spans alone are left out.
Rewrite rewrite_request(std::string_view request);

}  // namespace spanferry::otlp
