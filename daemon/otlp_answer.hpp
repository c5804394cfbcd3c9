// What an OTLP answer in protobuf says, for people: a partial success or an error.
#pragma once

#include <string>
#include <string_view>

namespace spanferry::daemon {

// The sentence in an ExportTraceServiceResponse with a partial_success, or in a google.rpc.Status; empty when
// there is none.
std::string partial_success_text(std::string_view response);
std::string rpc_status_text(std::string_view status);

}  // namespace spanferry::daemon
