// The newest durable records in memory, so that readers who keep up never touch the disk, and where the
// durable log ends. Nothing is in here before it is durable. Any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "model/record.hpp"
#include "spool/limits.hpp"
#include "spool/progress.hpp"
#include "spool/spool.hpp"

namespace spanferry::spool {

class HotRecords {
 public:
  explicit HotRecords(const Boundary& end, std::size_t max_bytes = kHotBytes)
      : max_bytes_(max_bytes), end_(end) {}

  // Makes records visible: they follow the last ones without a hole, and `end` follows them.
  void publish(std::vector<Record> records, const Boundary& end);
  // How many bytes are kept, from the next publish on.
  void limit(std::size_t bytes);
  // Forgets all records: after a reopening the store says what there is, up to `end`.
  void restart(const Boundary& end);

  [[nodiscard]] Boundary end() const;
  // Where the records in memory begin (the end, if there are none).
  [[nodiscard]] Boundary first() const;
  // Appends to `batch` what fits, at least one record; false if the record at `from` is not in memory.
  bool read(Seq from, std::size_t max_bytes, std::size_t max_records, ReadBatch& batch) const;
  [[nodiscard]] std::optional<Record> get(Seq seq) const;

 private:
  [[nodiscard]] Seq first_seq() const { return end_.seq - records_.size(); }

  mutable std::mutex mutex_;
  std::deque<Record> records_;  // [first_seq(), end_.seq)
  std::size_t bytes_ = 0;
  std::size_t max_bytes_;
  Boundary end_;
};

// The memory a record holds while it is hot.
std::size_t memory_of(const Record& record);

}  // namespace spanferry::spool
