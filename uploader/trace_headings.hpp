// Which traces a record is about, and whether their top has ended: one light pass over the wire, for those
// who only look ahead.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/ids.hpp"
#include "model/record.hpp"
#include "model/result.hpp"

namespace spanferry::uploader {

struct TraceHeading {
  TraceId trace;
  std::uint32_t spans = 0;
  // A span without a parent, or with its parent in another process, has ended: nothing above it will come.
  bool top_ended = false;
};

// Of an OTLP request, in order of appearance. Errors: invalid_input.
Result<std::vector<TraceHeading>> trace_headings(std::string_view request);

// Of a record of any kind; of one that is about no trace there are none. What an MLflow client wrote beside
// spans says that the trace may go. Errors: invalid_input.
Result<std::vector<TraceHeading>> trace_headings(const RecordHeader& header, std::string_view payload);

// Whether whoever sent these spans makes a StartTrace of its own, once the trace has ended: MLflow's client.
bool sender_tells_itself(const RecordHeader& header);

}  // namespace spanferry::uploader
