#include "ingest/decode.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "ingest/limits.hpp"

namespace spanferry::ingest {

Result<Decoded> scan_and_keep(std::string body, bool repaired) {
  auto payload = std::make_shared<const std::string>(std::move(body));
  auto scan = scan_traces_request(*payload);
  if (!scan) return std::unexpected(std::move(scan.error()));
  if (scan->rewritten) payload = scan->rewritten;
  return Decoded{std::move(payload), std::move(*scan), repaired};
}

Result<Decoded> decode_traces(std::string body, Coding coding, OtlpEncoding encoding,
                              const InflateBounds& bounds, std::uint64_t max_json_bytes) {
  if (coding != Coding::identity && !body.empty()) {
    auto inflated = inflate(body, coding, bounds);
    if (!inflated) return std::unexpected(std::move(inflated.error()));
    body = std::move(*inflated);
  }
  bool repaired = false;
  if (encoding == OtlpEncoding::json && !body.empty()) {
    const std::uint64_t foreseen = body.size() * kJsonMemoryFactor;
    const std::uint64_t needed =
        std::max(foreseen, body.size() > kSmallJsonBytes ? json_memory_bytes(body) : 0);
    if (needed > max_json_bytes * kJsonMemoryFactor) {
      return fail(ErrorKind::too_large,
                  fmt::format("parsing {} bytes of JSON takes {} bytes of memory, more than "
                              "listen.max_inflight_bytes; send smaller batches, or protobuf",
                              body.size(), needed));
    }
    // Of a body that came as it is, the usual need was reserved with it; one that was compressed could not be
    // foreseen.
    const std::uint64_t reserved = coding == Coding::identity ? foreseen : body.size();
    if (needed > reserved && bounds.grow && !bounds.grow(needed - reserved))
      return fail(ErrorKind::unavailable, "no memory to parse this JSON body now");
    auto request = traces_request_from_json(body, &repaired);
    if (!request) return std::unexpected(std::move(request.error()));
    body = std::move(*request);
  }
  return scan_and_keep(std::move(body), repaired);
}

}  // namespace spanferry::ingest
