// Dead letters as files that can be looked into, mended and sent again.
#pragma once

#include <cstdint>
#include <string>

#include "model/result.hpp"

namespace spanferry::daemon {

// Writes each letter of the spool in `directory` that `which` names (an id; a destination's name: all of its
// letters; empty: all) below `output`, which is made if it is missing: its payload, an OTLP request in
// protobuf, as DESTINATION-SEQ-TRACE-SPAN.otlp, and all that is known of it as a line of letters.jsonl.
// Returns how many. Errors: of the spool, not_found, io.
Result<std::uint64_t> export_dead_letters(const std::string& directory, const std::string& which,
                                          const std::string& output);

}  // namespace spanferry::daemon
