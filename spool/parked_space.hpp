// The parked space of one cursor: what is to be written of it, and how it is read. Changes ride in commit
// groups with the cursor's moves.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/write_batch.h>

#include "model/result.hpp"
#include "spool/live_store.hpp"
#include "spool/parked.hpp"

namespace spanferry::spool {

// By key: the value it has now; null: gone.
using ParkedOps = std::map<std::string, std::shared_ptr<const std::string>, std::less<>>;

// Guarded by its cursor's mutex.
class ParkedChanges {
 public:
  void put(std::string key, std::shared_ptr<const std::string> value);
  // False if it is gone, or on its way out already. `is_stored` is asked where the changes do not tell.
  bool erase(const std::string& key, const std::function<bool()>& is_stored);
  [[nodiscard]] bool empty() const { return changes_.empty(); }
  // Held in memory until the next sync.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  // As a rider does; the last change of a key wins, also after a failure.
  void write(Store& store, rocksdb::WriteBatch& batch);
  void durable();
  void failed();

  // What a store may not show yet, of the keys that begin so.
  [[nodiscard]] ParkedOps of(std::string_view prefix) const;

 private:
  ParkedOps changes_;    // since the last write
  ParkedOps in_flight_;  // written, not durable yet
  std::size_t bytes_ = 0;
};

struct ParkedRange {
  std::string prefix;  // of the keys
  std::string after;   // the key before the first; empty: from the beginning
  std::size_t max_bytes = 0;
};
struct ParkedRead {
  std::vector<Parked> parts;    // in order; at least one if there is any
  std::vector<Parked> damaged;  // without payload; as far as the header tells what they were
};
// `ops` were taken before. Errors: io, unavailable, unsupported.
Result<ParkedRead> read_parked(LiveStore& live, const ParkedOps& ops, const ParkedRange& range);

}  // namespace spanferry::spool
