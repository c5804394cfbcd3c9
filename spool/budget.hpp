// May this append still be taken? Counts the bytes of the spool's directory and of its filesystem: measured
// by housekeeping, plus what was written since. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "model/result.hpp"
#include "spool/directory.hpp"
#include "spool/settings.hpp"

namespace spanferry::spool {

enum class Full : std::uint8_t { no, max_bytes, min_free_bytes };

class Budget {
 public:
  Budget(const Settings& settings, Layout layout);

  // Looks at the disk. Appends resume here, once there is some room again.
  void measure();
  // Bytes written to the log. Appends stop here, between two looks at the disk.
  void wrote(std::uint64_t bytes);
  // Asks the filesystem now: whether `bytes` can be written with kDiskGuardBytes to spare. If not, appends
  // stop as after `no_space`. A write that fails for want of space costs a reopening of the store, so it is
  // not tried.
  bool room_for(std::uint64_t bytes);
  // From here on appends are refused, whatever the budgets say, until `io_recovered`.
  void io_failed() { io_failed_ = true; }
  // The disk was full: nothing is taken until it has some room, whatever min_free_bytes says.
  void no_space() { no_space_ = true; }
  [[nodiscard]] bool was_no_space() const { return no_space_; }
  void io_recovered() { io_failed_ = false; }

  [[nodiscard]] bool accepting() const { return full() == Full::no && !io_failed_.load(); }
  [[nodiscard]] Full full() const { return full_.load(); }
  // Why an append is refused now; nothing if it is not.
  [[nodiscard]] std::optional<Error> refusal() const;
  // max_bytes | min_free_bytes | io_error; empty while appends are taken.
  [[nodiscard]] std::string reason() const;
  [[nodiscard]] std::uint64_t bytes() const { return measured_.load() + wrote_.load(); }

 private:
  void judge(bool may_resume);
  [[nodiscard]] std::string sentence(Full full) const;

  const std::uint64_t max_bytes_, min_free_bytes_;
  const Layout layout_;
  std::atomic<std::uint64_t> measured_{0}, wrote_{0}, free_{0};
  std::atomic<Full> full_{Full::no};
  std::atomic<bool> io_failed_{false}, no_space_{false};
  std::mutex mutex_;  // one log line a change
};

std::string bytes_text(std::uint64_t bytes);  // "512 MiB"

}  // namespace spanferry::spool
