// A histogram of latencies in a fixed amount of memory, good to 2 % from 1 µs to hours.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace spanferry::bench {

class Latencies {
 public:
  void add(std::uint64_t us) {
    ++counts_[slot(us)];
    ++count_;
    max_us_ = std::max(max_us_, us);
  }

  // In milliseconds; 0 when there is none. `share` of all are at or below it.
  [[nodiscard]] double quantile_ms(double share) const {
    if (count_ == 0) return 0;
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(count_ - 1));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) return static_cast<double>(std::min(upper_us(i), max_us_)) / 1000;
    }
    return max_ms();
  }

  [[nodiscard]] double max_ms() const { return static_cast<double>(max_us_) / 1000; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  // 64 slots for each power of two; below 64 µs one slot a microsecond.
  static constexpr int kSlotBits = 6;
  static constexpr int kPowers = 28;

  static std::size_t slot(std::uint64_t us) {
    us = std::min(us, (std::uint64_t{1} << (kSlotBits + kPowers)) - 1);
    if (us < (1ULL << kSlotBits)) return us;
    const int shift = std::bit_width(us) - kSlotBits - 1;
    return (static_cast<std::size_t>(shift + 1) << kSlotBits) + ((us >> shift) - (1ULL << kSlotBits));
  }

  static std::uint64_t upper_us(std::size_t i) {
    const std::size_t power = i >> kSlotBits;
    const std::uint64_t rest = i & ((1ULL << kSlotBits) - 1);
    if (power == 0) return rest;
    return ((rest + (1ULL << kSlotBits) + 1) << (power - 1)) - 1;
  }

  std::array<std::uint64_t, (kPowers + 1) << kSlotBits> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_us_ = 0;
};

}  // namespace spanferry::bench
