// Reads the parked space of one destination in passes, and forms batches of what may be tried: of one route
// each, in the order of the traces.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "spool/spool.hpp"
#include "uploader/held_routes.hpp"
#include "uploader/otlp_reader.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread.
class ParkedReader {
 public:
  // `routes`: null where no route is ever held; then batches hold all routes together.
  ParkedReader(spool::Cursor& cursor, HeldRoutes* routes, std::size_t max_batch_bytes)
      : cursor_(cursor), routes_(routes), max_batch_bytes_(max_batch_bytes) {}

  // A new pass from the beginning. `probes_only`: it ends early, once every probe that is due is on its way.
  void begin(bool probes_only);
  // The next batch: what it is of is entered (HeldRoutes::enter). Nothing: the pass has ended. Errors: those
  // of Cursor::read_parked.
  Result<std::optional<OtlpBatch>> next();

 private:
  Result<> fill();
  [[nodiscard]] bool may_end_early() const;

  spool::Cursor& cursor_;
  HeldRoutes* routes_;
  const std::size_t max_batch_bytes_;
  bool probes_only_ = false;
  bool at_end_ = true;
  std::optional<spool::ParkedKey> after_;
  std::deque<Item> ahead_;
  std::size_t ahead_bytes_ = 0;
};

}  // namespace spanferry::uploader
