// Trimming without tombstones: compaction filters, active on flush too, leave out what lies below positions
// that are durable already. Such a position may only grow, and only after it is on disk.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <rocksdb/compaction_filter.h>

#include "model/record.hpp"

namespace spanferry::spool {

// Shared by the store's filters and whoever advances the positions. Any thread.
class TrimPositions {
 public:
  std::atomic<Seq> log{0};        // records below are not needed by anyone
  std::atomic<Seq> summaries{0};  // index entries and summaries below are too old to list

  void set_cursor(const std::string& name, Seq durable_position);
  [[nodiscard]] std::shared_ptr<const std::map<std::string, Seq, std::less<>>> cursors() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const std::map<std::string, Seq, std::less<>>> cursors_ =
      std::make_shared<std::map<std::string, Seq, std::less<>>>();
};

std::shared_ptr<rocksdb::CompactionFilterFactory> make_log_filter(std::shared_ptr<TrimPositions> positions);
std::shared_ptr<rocksdb::CompactionFilterFactory> make_index_filter(std::shared_ptr<TrimPositions> positions);
std::shared_ptr<rocksdb::CompactionFilterFactory> make_summary_filter(
    std::shared_ptr<TrimPositions> positions);
// Marks of records below their cursor's position.
std::shared_ptr<rocksdb::CompactionFilterFactory> make_mark_filter(std::shared_ptr<TrimPositions> positions);

}  // namespace spanferry::spool
