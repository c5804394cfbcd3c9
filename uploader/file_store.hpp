// What an MLflow server takes spans as: by OTLP, or, where its store cannot keep them so (a file store; it
// answers 501), each trace as one file among its artifacts. CONTRACT 1.1, 1.3.
#pragma once

#include <chrono>
#include <utility>

namespace spanferry::uploader {

// Lives on the deliver thread. What is not known yet is by OTLP.
class FileStore {
 public:
  [[nodiscard]] bool takes_files() const { return takes_files_; }
  // The server may have another store by now: one more request goes by OTLP.
  [[nodiscard]] bool otlp_is_due() const { return Clock::now() >= ask_again_; }
  // True: that is new.
  bool otlp_refused() {
    ask_again_ = Clock::now() + kAskAgain;
    return !std::exchange(takes_files_, true);
  }
  bool otlp_taken() { return std::exchange(takes_files_, false); }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kAskAgain{60};
  bool takes_files_ = false;
  Clock::time_point ask_again_{};
};

}  // namespace spanferry::uploader
