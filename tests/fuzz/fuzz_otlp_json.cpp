// The JSON transcoder: any text is an error or becomes a request that the scan can read.
#include <cstddef>
#include <cstdint>

#include "model/otlp_json.hpp"
#include "tests/fuzz/scanned_request.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spanferry;
  bool repaired = false;
  const auto wire = traces_request_from_json({reinterpret_cast<const char*>(data), size}, &repaired);
  if (!wire) {
    fuzz::require(wire.error().kind == ErrorKind::invalid_input, "bad JSON is the sender's doing");
    return 0;
  }
  const auto scan = scan_traces_request(*wire);
  fuzz::require(scan.has_value(), "what was transcoded is a request");
  fuzz::check_scan(*scan, *wire);
  return 0;
}
