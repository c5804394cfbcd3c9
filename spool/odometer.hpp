// Which seq is so many bytes or so much time back: marks along the log, coarser the older they are.
// One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "model/record.hpp"
#include "spool/store.hpp"

namespace spanferry::spool {

class Odometer {
 public:
  struct Mark {
    Seq seq = 0;              // the first record after the mark
    std::uint64_t bytes = 0;  // stored before it
    std::int64_t time_s = 0;  // unix, when the log was here
  };

  // From the tables of a log that is there already.
  void start(Store& store, Seq end, std::int64_t now_s);
  // The log has come to `end`, having stored `bytes` since the start.
  void note(Seq end, std::uint64_t bytes, std::int64_t now_s);

  // Where about that many bytes, or at least that much time, come after; nothing if the log is
  // shorter.
  [[nodiscard]] std::optional<Mark> bytes_back(std::uint64_t bytes) const;
  [[nodiscard]] std::optional<Mark> older_than(std::int64_t time_s) const;
  // The first mark that is at least that many bytes after `seq`.
  [[nodiscard]] std::optional<Mark> bytes_after(Seq seq, std::uint64_t bytes) const;

 private:
  void thin();

  std::deque<Mark> marks_;
  std::uint64_t before_start_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace spanferry::spool
