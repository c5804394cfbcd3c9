// The UDP door: any datagram is a request or an error, whichever form it has.
#include <cstddef>
#include <cstdint>

#include "ingest/datagram.hpp"
#include "tests/fuzz/scanned_request.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spanferry;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto decoded = ingest::decode_datagram(bytes, 1'700'000'000'000'000'000);
  if (!decoded) {
    fuzz::require(decoded.error().kind == ErrorKind::invalid_input, "a bad datagram is the sender's doing");
    return 0;
  }
  // What is kept scans again, with the same spans.
  const auto again = scan_traces_request(*decoded->payload);
  fuzz::require(again.has_value(), "what is kept is sound");
  fuzz::require(again->spans == decoded->scan.spans, "what is kept has the spans that were counted");
  fuzz::require(again->refused_spans == 0 || !decoded->scan.rewritten, "nothing refused is kept");
  return 0;
}
