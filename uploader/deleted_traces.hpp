// Traces that a client deleted, so that spans which come after that are not sent: an MLflow server would make
// the trace anew. Durable and bounded: the oldest of kMaxDeletedTraces is forgotten for each new one.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "model/ids.hpp"
#include "spool/spool.hpp"

namespace spanferry::uploader {

inline constexpr std::uint64_t kMaxDeletedTraces = 16'384;

// Lives on the deliver thread; made before it starts.
class DeletedTraces {
 public:
  DeletedTraces(spool::Spool& spool, const std::string& destination,
                std::uint64_t max_traces = kMaxDeletedTraces);

  void add(const TraceId& trace);
  [[nodiscard]] bool empty() const { return traces_.empty(); }
  [[nodiscard]] bool holds(const TraceId& trace) const { return traces_.contains(trace); }

 private:
  [[nodiscard]] std::string slot(std::uint64_t n) const;

  spool::Spool& spool_;
  const std::string ring_, count_;  // a prefix of keys, and a key
  const std::uint64_t max_traces_;
  std::uint64_t ever_ = 0;
  std::unordered_set<TraceId> traces_;
};

}  // namespace spanferry::uploader
