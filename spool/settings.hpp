// What the operator can say about the spool.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "spool/limits.hpp"

namespace spanferry::spool {

enum class Durability : std::uint8_t {
  commit,    // an append completes after its bytes are synced
  interval,  // after they are written to the kernel; a sync every `sync_interval`
  none,      // after they are written to the kernel; the kernel syncs when it likes
};

enum class WhenFull : std::uint8_t { reject, drop_oldest };

inline constexpr std::uint64_t kMinMaxBytes = 96ULL << 20;

// What of the spool's memory follows the memory there is; the rest stands in limits.hpp.
struct MemorySettings {
  std::uint64_t hot_bytes = kHotBytes;               // newest payloads
  std::uint64_t log_buffer_bytes = kLogBufferBytes;  // one memtable of the log, of kLogBuffers
  std::uint64_t held_bytes = kHeldBytes;             // instead, while the disk is full
  std::uint64_t block_cache_bytes = kBlockCacheBytes;
  std::uint64_t searched_bytes = kSearchedBytes;  // summaries kept between two searches
  std::uint64_t group_bytes = kGroupBytes;        // of one commit group
};

struct Settings {
  std::string directory;  // absolute; made with mode 0700 if missing
  Durability durability = Durability::commit;
  std::chrono::milliseconds sync_interval{50};
  std::uint64_t max_bytes = 10ULL << 30;      // on disk, WAL and dead letters included
  std::chrono::seconds max_age{0};            // 0: off
  std::uint64_t min_free_bytes = 1ULL << 30;  // of the filesystem
  WhenFull when_full = WhenFull::reject;
  // Payloads kept after delivery (bytes) and summaries (age). With no remote destination, all there is.
  std::uint64_t retain_bytes = 16ULL << 20;
  std::chrono::seconds retain_age{3600};
  bool local_only = false;             // no remote destination: retention alone trims, oldest first
  std::uint64_t parked_max_bytes = 0;  // 0: a quarter of max_bytes
  std::uint64_t dead_letter_max_bytes = 256ULL << 20;
  std::chrono::seconds lock_wait{30};  // for another process to leave the directory
  MemorySettings memory;
};

}  // namespace spanferry::spool
