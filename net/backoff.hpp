// Full-jitter exponential backoff without an end: how long to wait, and nothing else.
// Source of the method: "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

namespace spanferry::net {

struct BackoffSettings {
  std::chrono::milliseconds initial{250};
  std::chrono::milliseconds maximum{30000};
};

class Backoff {
 public:
  // `uniform` gives numbers in [0, 1).
  Backoff(BackoffSettings settings, std::function<double()> uniform)
      : settings_(settings), uniform_(std::move(uniform)) {}

  // The next wait: uniform in [0, min(maximum, initial·2^n)], never below what the far side asked for.
  std::chrono::milliseconds next(std::optional<std::chrono::milliseconds> asked = std::nullopt) {
    const auto ceiling =
        std::min(settings_.maximum, settings_.initial * (std::int64_t{1} << std::min(failures_, 20)));
    ++failures_;
    const auto wait = std::chrono::milliseconds(
        static_cast<std::int64_t>(uniform_() * static_cast<double>(ceiling.count())));
    return std::max(wait, asked.value_or(std::chrono::milliseconds{0}));
  }
  void succeeded() { failures_ = 0; }
  [[nodiscard]] int failures() const { return failures_; }

 private:
  BackoffSettings settings_;
  std::function<double()> uniform_;
  int failures_ = 0;
};

}  // namespace spanferry::net
