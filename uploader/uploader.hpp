// Delivery: one reader of the log for each destination. Knows the spool, not the doors.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "model/result.hpp"
#include "model/status.hpp"
#include "uploader/read.hpp"
#include "uploader/settings.hpp"

namespace spanferry::spool {
class Spool;
}

namespace spanferry::uploader {

// Each destination has one thread ("deliver") on which its batcher, assembler and HTTP client live.
class Uploader {
 public:
  // Errors: configuration. `own_addresses`: our HTTP listeners, which no destination may be (a loop).
  static Result<std::unique_ptr<Uploader>> start(const Settings& settings, spool::Spool& spool,
                                                 const std::vector<std::string>& own_addresses);
  virtual ~Uploader() = default;  // stops at once; what was in flight is sent again by the next process

  // Takes over other settings: destinations that are new start, those that are gone stop and no longer hold
  // the log, changed ones stop and start again (what they had in flight is sent again), the others are not
  // touched. One thread, as the destructor. Errors: configuration (nothing is changed then), unavailable.
  virtual Result<> reload(const Settings& settings) = 0;

  [[nodiscard]] virtual std::vector<DestinationStatus> status() const = 0;  // any thread
  // Sends what is due without waiting for more (traces need not be quiet); returns when nothing is pending,
  // or at the deadline. Call from a thread that is not ours.
  virtual void drain(std::chrono::milliseconds deadline) = 0;
  // Whether that trace's records are settled, by destination: for the local view. Any thread.
  struct Delivery {
    std::string destination;
    bool settled = false;
  };
  [[nodiscard]] virtual std::vector<Delivery> delivery_of(const TraceId& trace,
                                                          const std::vector<Seq>& records) const = 0;
  // From the far side of the destination of that name, as long as it is there. Any thread.
  virtual void read(const std::string& destination, ReadRequest request, ReadHandler done) = 0;
  [[nodiscard]] virtual ReadState read_state(const std::string& destination) const = 0;
};

}  // namespace spanferry::uploader
