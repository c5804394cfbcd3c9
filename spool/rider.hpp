// Something whose changes ride in commit groups: a cursor's moves, small values. Called on the commit thread,
// in the order write, written, then durable or failed; what changed meanwhile rides in the next group.
#pragma once

#include <chrono>

#include <rocksdb/write_batch.h>

#include "spool/store.hpp"

namespace spanferry::spool {

class Rider {
 public:
  using Clock = std::chrono::steady_clock;
  virtual ~Rider() = default;
  // When its changes must be written at the latest, appends or not; time_point::max() without changes.
  [[nodiscard]] virtual Clock::time_point due() const = 0;
  // Whether it has changes that may ride in a group that is written now.
  [[nodiscard]] virtual bool wants_to_ride(Clock::time_point now) const = 0;
  // Whether what it is about to write is waited for by somebody who was promised that it survives a power
  // cut.
  [[nodiscard]] virtual bool must_sync() const { return false; }
  virtual void write(Store& store, rocksdb::WriteBatch& batch) = 0;
  // What was written last is in the kernel: a killed process keeps it, a power cut may still take it.
  virtual void written() {}
  // All that was written so far is on disk. May come several writes later.
  virtual void durable() = 0;
  // Nothing of it can be relied on: everything has to be written again.
  virtual void failed() = 0;
};

}  // namespace spanferry::spool
