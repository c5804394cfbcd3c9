// Trace and span ids: 16 and 8 raw bytes on the wire, hex in names and APIs, base64 in MLflow's span files.
// Source: OTLP 1.x, trace.proto (`trace_id`, `span_id`); W3C Trace Context (all zero is invalid).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace spanferry {

template <std::size_t N>
struct Id {
  static constexpr std::size_t kSize = N;
  std::array<std::uint8_t, N> bytes{};

  auto operator<=>(const Id&) const = default;
  [[nodiscard]] bool is_zero() const { return *this == Id{}; }
  // The raw bytes; valid as long as this object.
  [[nodiscard]] std::string_view raw() const { return {reinterpret_cast<const char*>(bytes.data()), N}; }
  // Nothing if the length is not N.
  static std::optional<Id> from_raw(std::string_view raw) {
    if (raw.size() != N) return std::nullopt;
    Id id;
    std::memcpy(id.bytes.data(), raw.data(), N);
    return id;
  }
  // Nothing unless these are 2·N hex digits of either case.
  static std::optional<Id> from_hex(std::string_view hex);
  [[nodiscard]] std::string hex() const;     // lower case
  [[nodiscard]] std::string base64() const;  // standard alphabet, padded
};

using TraceId = Id<16>;
using SpanId = Id<8>;

extern template struct Id<16>;
extern template struct Id<8>;

// Random ids, never zero. Any thread.
TraceId mint_trace_id();
SpanId mint_span_id();

// Standard alphabet, padded. Decoding also takes the URL alphabet and missing padding; nothing if malformed.
std::string base64_encode(std::string_view raw);
std::optional<std::string> base64_decode(std::string_view text);
std::string hex_encode(std::string_view raw);
std::optional<std::string> hex_decode(std::string_view text);

}  // namespace spanferry

template <std::size_t N>
struct std::hash<spanferry::Id<N>> {
  // Ids are random already: their last eight bytes are a hash.
  std::size_t operator()(const spanferry::Id<N>& id) const noexcept {
    std::size_t h;
    std::memcpy(&h, id.bytes.data() + N - sizeof h, sizeof h);
    return h;
  }
};
