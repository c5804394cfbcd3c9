// RocksDB as the spool uses it: its column families, options and life. Knows nothing of records or cursors.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include "model/result.hpp"
#include "spool/settings.hpp"
#include "spool/trim_filter.hpp"

namespace spanferry::spool {

enum class Family : std::uint8_t { log, index, state, traces, parked, dead };
inline constexpr std::size_t kFamilies = 6;

// What RocksDB tells us by itself. Outlives the store.
struct StoreEvents {
  std::atomic<bool> background_error{false};
  std::atomic<bool> no_space{false};                  // that error was a full disk
  std::atomic<std::uint64_t> log_compacted_bytes{0};  // stays 0: the log's tables are moved, not rewritten
  std::atomic<std::uint64_t> flushed_tables{0};
};

struct StoreOptions {
  std::string directory;
  std::shared_ptr<TrimPositions> positions;  // null only for read-only
  std::shared_ptr<StoreEvents> events;
  rocksdb::Env* env = nullptr;  // null: the system's
  bool create = false;          // only where there is nothing: RocksDB would delete what it does not know
  bool read_only = false;       // beside the process that holds it
  // Keep what the WAL holds in memory and flush nothing, until release(): on a full disk a flush would fail.
  bool hold_memtables = false;
  MemorySettings memory{};
};

class Store {
 public:
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* family(Family family) { return families_[static_cast<std::size_t>(family)]; }
  // Writes all memtables to tables, so that the next open has nothing to replay.
  Result<> flush();
  // Ends hold_memtables.
  Result<> release();

 private:
  explicit Store(const MemorySettings& memory) : log_buffer_bytes_(memory.log_buffer_bytes) {}
  const std::uint64_t log_buffer_bytes_;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families_{};
  rocksdb::ColumnFamilyHandle* default_family_ = nullptr;
};

// Whether RocksDB has files there; then it must not be told to create.
bool store_exists(const std::string& directory);
// full (no space), damaged (corruption, missing files), else io.
Error error_of(const rocksdb::Status& status, std::string_view doing);

inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace spanferry::spool
