// The wire reader: any bytes are a request or an error, and a request let in is sound.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/scanned_request.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spanferry;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto scan = scan_traces_request(body);
  // Those who read bytes that were not scanned get an error at worst.
  if (const auto decoded = decode_traces_request(body)) fuzz::walk(*decoded);
  resource_string_attribute(body, "k");
  if (!scan) {
    fuzz::require(scan.error().kind == ErrorKind::invalid_input, "a bad request is the sender's doing");
    return 0;
  }
  fuzz::check_scan(*scan, body);
  return 0;
}
