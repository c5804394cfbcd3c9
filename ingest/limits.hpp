// The fixed bounds of the doors; what an operator can set is in settings.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace spanferry::ingest {

inline constexpr std::size_t kInlineBodyBytes = 256U << 10;    // above: scanned on the worker
inline constexpr std::size_t kInlineInflateBytes = 64U << 10;  // compressed, above: inflated on the worker
// Of a body, reserved before it is read; the rest as it comes, so that who only announces much takes nothing
// away.
inline constexpr std::size_t kFirstBodyBytes = 256U << 10;
inline constexpr std::size_t kDiscardBytes =
    256U << 10;  // of a refused body, read so that the connection lives on
inline constexpr std::size_t kLingerBytes =
    1U << 20;  // read after the last answer, so that it is not lost to a reset
inline constexpr std::chrono::milliseconds kLinger{1000};
inline constexpr std::size_t kReadBytes = 4096;            // of one read of a header
inline constexpr std::size_t kChunkReadBytes = 64U << 10;  // of one read of a chunked body
inline constexpr std::size_t kMaxEndpointBodyBytes = 1U << 20;
inline constexpr std::size_t kMaxRouteHeaderBytes = 1024;  // of each header that names an experiment or table
inline constexpr std::size_t kMaxClientBytes = 64;         // of User-Agent kept in a record
inline constexpr std::chrono::milliseconds kAdmissionWait{1000};  // for room among the bodies in flight
inline constexpr std::size_t kMaxAdmissionWaiters = 1024;
// What parsing JSON usually takes, in times of its size; a large one that takes more is counted for what it
// is.
inline constexpr std::uint64_t kJsonMemoryFactor = 6;
inline constexpr std::uint64_t kInflateGuess = 4;  // room asked for at first, in times of the compressed size
inline constexpr std::size_t kMaxRefusing =
    256;  // connections beyond the limit that get a 503 and not just a close
inline constexpr int kListenBacklog = 1024;

inline constexpr std::size_t kDatagramsAtOnce = 32;
inline constexpr std::size_t kDatagramBytes = 64U << 10;

}  // namespace spanferry::ingest
