// Content-Encoding undone, within a bound that holds while it inflates.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "model/result.hpp"

namespace spanferry::ingest {

enum class Coding : std::uint8_t { identity, gzip, deflate, zstd };

// The value of Content-Encoding; absent, "identity" and "none" are identity. Nothing: one we do not undo.
std::optional<Coding> coding_of(std::string_view content_encoding);

struct InflateBounds {
  std::uint64_t max_bytes = 0;
  // Asked before the output takes that many bytes more; false: no memory is to be had. May be empty.
  std::function<bool(std::uint64_t)> grow;
};

// gzip: one or several members. deflate: zlib's format, raw deflate tolerated. zstd: one or several frames.
// Errors: invalid_input (not that format, cut short, or with bytes after it), too_large, unavailable (grow).
Result<std::string> inflate(std::string_view body, Coding coding, const InflateBounds& bounds);

}  // namespace spanferry::ingest
