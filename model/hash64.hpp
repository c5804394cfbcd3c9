// Hashes of 64 bits that are the same on every machine and in every version, for what is stored or handed
// out. Not for what somebody may try to make collide.
#pragma once

#include <cstdint>
#include <string_view>

namespace spanferry {

inline constexpr std::uint64_t kFnvStart = 0xcbf29ce484222325ULL;

// FNV-1a; `state` is what came before. Its low bits are poor: mix64 spreads them.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t state = kFnvStart) {
  for (const char c : text) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return state;
}

// The last step of splitmix64: every bit depends on every other, and distinct numbers stay distinct.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

}  // namespace spanferry
