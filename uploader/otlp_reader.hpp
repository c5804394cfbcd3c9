// Reads the log ahead for one destination, within bounds, and forms batches: the records of one route each,
// in the order of the log. Of the routes that it sees ahead each has its turn.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "spool/spool.hpp"
#include "uploader/deleted_traces.hpp"
#include "uploader/otlp_batch.hpp"

namespace spanferry::uploader {

inline constexpr std::uint32_t kMaxBatchSpans = 8192;
// On their way at once, unless a single batch is larger: payloads are held until they are answered, for a
// batch that is refused is divided.
inline constexpr std::size_t kMaxBytesUnderWay = 16U << 20;
inline constexpr std::size_t kMaxAheadRecords = 16384;

struct OtlpBatch {
  Route route;  // of all its records
  std::vector<Item> items;
  bool entered = false;  // its route was entered already (HeldRoutes::enter)
};

// Lives on the deliver thread.
class OtlpReader {
 public:
  // `by_experiment`: one experiment a batch; else records of all routes go together. Reads ahead at most
  // twice `max_batch_bytes` (or one record, should it be larger). `deleted`: whose spans are not sent; may be
  // null.
  OtlpReader(spool::Spool& spool, spool::Cursor& cursor, std::size_t max_batch_bytes, bool by_experiment,
             const DeletedTraces* deleted = nullptr);

  // The next batch; nothing when everything the log has is handed out. Settles what is not for this
  // destination on the way. Errors: those of the spool's read.
  Result<std::optional<OtlpBatch>> next();

 private:
  Result<bool> read_more();
  void take(Record record);
  bool read_span_file(Record& record);
  [[nodiscard]] bool may_hold_back(const Record& record) const;
  void hold_back(Item& item);
  void leave_out_settled();
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] Route next_route() const;
  [[nodiscard]] bool same_route(const Route& a, const Route& b) const;

  spool::Spool& spool_;
  spool::Cursor& cursor_;
  const std::size_t max_batch_bytes_;
  const bool by_experiment_;
  const DeletedTraces* deleted_;
  Seq next_;
  const Seq end_at_start_;  // records below may be settled in part by the process before
  std::deque<Item> ahead_;
  std::size_t ahead_bytes_ = 0;
  Route last_;  // of the batch before
};

}  // namespace spanferry::uploader
