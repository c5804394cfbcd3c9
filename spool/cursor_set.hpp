// All cursors of a spool, those of this process and those found on disk. Any thread; cursors live as long as
// the set.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "spool/cursor_impl.hpp"

namespace spanferry::spool {

class CursorSet {
 public:
  explicit CursorSet(std::chrono::milliseconds orphan_grace)
      : grace_ends_(std::chrono::steady_clock::now() + orphan_grace) {}

  CursorImpl* add(std::unique_ptr<CursorImpl> cursor);
  [[nodiscard]] CursorImpl* find(const std::string& name) const;
  // Who keeps the dead letters of that kind: where a destination has two readers, the second one keeps what
  // is no span, for it alone could deliver it. Null if there is no such destination.
  [[nodiscard]] CursorImpl* keeper_of(const std::string& destination, RecordKind kind) const;
  [[nodiscard]] std::vector<CursorImpl*> all() const;  // but those that were forgotten
  [[nodiscard]] std::vector<CursorImpl*> active() const;
  // The position nobody who holds the log has durably passed; nothing if nobody holds it.
  [[nodiscard]] std::optional<Boundary> slowest() const;
  [[nodiscard]] std::uint64_t dead_letters() const;
  [[nodiscard]] std::uint64_t dead_letter_bytes() const;
  [[nodiscard]] std::uint64_t parked_bytes() const;

 private:
  const std::chrono::steady_clock::time_point grace_ends_;  // until then orphans hold the log too
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<CursorImpl>> cursors_;
};

}  // namespace spanferry::spool
