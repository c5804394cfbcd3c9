// Summaries from the newest on, as searches look through them. What was read stays in memory for the next
// search, for a record's summaries never change: only those of the newest records are missing then.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "model/result.hpp"
#include "spool/keys.hpp"
#include "spool/store.hpp"

namespace spanferry::spool {

// False: it has seen enough. The bytes live as long as the call.
using VisitSummaryBytes = std::function<bool(const SeqAndTrace&, std::string_view bytes)>;

// Where they are read from. The tail first; the store is open from then on until the end of the call.
struct SummarySource {
  // The records before it have their summaries in the store.
  Seq written = 0;
  // Nothing if it is closed.
  std::function<Store*()> store;
  // Those of the records in [from, end), which are not written yet, in their order. False: not of all.
  using Add = std::function<void(const SeqAndTrace&, std::string_view bytes)>;
  std::function<Result<bool>(Seq from, Seq end, const Add& add)> read_tail;
};

// Any thread.
class NewestSummaries {
 public:
  // Keeps at most so many bytes between two searches; while one runs, it may hold as many again.
  explicit NewestSummaries(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // Those of the records in [kept, end). Of a damaged block the summaries from there on in its stretch are
  // left out. Errors: those of the source.
  Result<> each(SummarySource& source, Seq kept, Seq end, const VisitSummaryBytes& visit);

  // What is kept is of another store now.
  void forget();
  // Gives the memory back, if nobody has searched for so long.
  void forget_unused(std::chrono::steady_clock::duration unused);
  [[nodiscard]] std::size_t kept_bytes() const;

 private:
  friend class SummaryWalk;
  class Stretch;
  using Stretches = std::vector<std::shared_ptr<const Stretch>>;  // the newest first
  struct Kept {
    Stretches stretches;
    Seq from = 0, end = 0;  // all of these records are in them
    std::size_t bytes = 0;

    void append(Stretches older, Seq older_from);
    void shrink_to(std::size_t most, Seq kept);
  };
  Kept look();
  void keep(Kept now, const Kept& before, Seq kept);

  const std::size_t most_bytes_;
  mutable std::mutex mutex_;
  Kept kept_;
  std::chrono::steady_clock::time_point used_;
};

}  // namespace spanferry::spool
