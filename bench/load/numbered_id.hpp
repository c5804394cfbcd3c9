// Trace and span ids that look random and still say which request of which run they belong to: the load
// generator makes them, the sink reads them back, and nothing has to be remembered in between.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "model/hash64.hpp"
#include "model/ids.hpp"

namespace spanferry::bench {

inline constexpr std::uint64_t kMaxRequests = 1ULL << 40;
inline constexpr std::uint32_t kMaxSpansPerRequest = 256;

struct Numbered {
  std::uint16_t seed = 0;     // of the run
  std::uint64_t request = 0;  // < kMaxRequests
  std::uint8_t low = 0;       // in a trace id: spans in the request, less one; in a span id: its place

  bool operator==(const Numbered&) const = default;
};

namespace detail {

// The inverse of mix64.
constexpr std::uint64_t unmix(std::uint64_t x) {
  x = (x ^ (x >> 31) ^ (x >> 62)) * 0x319642b2d24d8ec3ULL;
  x = (x ^ (x >> 27) ^ (x >> 54)) * 0x96de1b173f119089ULL;
  return x ^ (x >> 30) ^ (x >> 60);
}

inline constexpr std::uint64_t kTraceSalt = 0x5bd1e9955bd1e995ULL;
inline constexpr std::uint64_t kSpanSalt = 0x2545f4914f6cdd1dULL;

constexpr std::uint64_t pack(const Numbered& n) {
  return static_cast<std::uint64_t>(n.seed) << 48 | n.request << 8 | n.low;
}

constexpr Numbered unpack(std::uint64_t v) {
  return {.seed = static_cast<std::uint16_t>(v >> 48),
          .request = (v >> 8) & (kMaxRequests - 1),
          .low = static_cast<std::uint8_t>(v)};
}

inline void store(std::uint64_t v, void* to) { std::memcpy(to, &v, sizeof v); }

inline std::uint64_t load(const void* from) {
  std::uint64_t v = 0;
  std::memcpy(&v, from, sizeof v);
  return v;
}

}  // namespace detail

inline TraceId trace_id_of(const Numbered& n) {
  TraceId id;
  const std::uint64_t first = mix64(detail::pack(n) ^ detail::kTraceSalt);
  detail::store(first, id.bytes.data());
  detail::store(mix64(first ^ detail::kTraceSalt), id.bytes.data() + 8);
  return id;
}

inline SpanId span_id_of(const Numbered& n) {
  SpanId id;
  detail::store(mix64(detail::pack(n) ^ detail::kSpanSalt), id.bytes.data());
  return id;
}

// Nothing for an id that was not made here: its second half is a check of the first.
inline std::optional<Numbered> numbered(const TraceId& id) {
  const std::uint64_t first = detail::load(id.bytes.data());
  if (detail::load(id.bytes.data() + 8) != mix64(first ^ detail::kTraceSalt)) return std::nullopt;
  return detail::unpack(detail::unmix(first) ^ detail::kTraceSalt);
}

// Meaningful for spans of a numbered trace only; the caller compares seed and request.
inline Numbered numbered(const SpanId& id) {
  return detail::unpack(detail::unmix(detail::load(id.bytes.data())) ^ detail::kSpanSalt);
}

}  // namespace spanferry::bench
