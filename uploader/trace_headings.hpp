// Which traces a record holds, and whether their top has ended: one light pass over the wire, for those who
// only look ahead.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/ids.hpp"
#include "model/result.hpp"

namespace spanferry::uploader {

struct TraceHeading {
  TraceId trace;
  std::uint32_t spans = 0;
  // A span without a parent, or with its parent in another process, has ended: nothing above it will come.
  bool top_ended = false;
};

// In order of appearance. Errors: invalid_input.
Result<std::vector<TraceHeading>> trace_headings(std::string_view request);

}  // namespace spanferry::uploader
