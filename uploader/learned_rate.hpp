// How many requests a second the far side takes, learnt from its refusals (429): no limit before the first
// one. Then as many as it took at last, spread evenly, and slowly more: quickly back to nearly what was
// refused, then for long a little below it, then beyond, where the limit may have been raised.
// Source of the curve: RFC 9438, section 4.1 (CUBIC), with a rate in place of a window.
//
// Time is what the caller says it is, and never goes back.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace spanferry::uploader {

class LearnedRate {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  // The far side took one.
  void accepted(Time now);
  // It refused for the rate. Once for all that was under way together; `pause`: nothing is sent for so long.
  void refused(Time now, Clock::duration pause);
  // When the next request may go; each call is one request. Nothing waits twice: those that were told a time
  // before refused() ask again.
  [[nodiscard]] Time reserve(Time now);
  // Requests a second. Nothing: as many as there are.
  [[nodiscard]] std::optional<double> per_second() const;

 private:
  static constexpr std::size_t kBuckets = 10;  // of the last second

  struct Learned {
    double refused_at = 0;            // the rate at which it refused
    double first = 0;                 // what we went down to
    Clock::duration growing{0};       // for how long requests have had to wait since then
    Time next;                        // when the next request may go
    std::optional<Time> last_growth;  // when one had to wait last
  };

  [[nodiscard]] double taken_last_second(Time now) const;
  [[nodiscard]] double taken_since_refusal(Time now) const;
  static double rate_of(const Learned& learned);

  std::optional<Learned> learned_;
  std::array<std::uint32_t, kBuckets> counts_{};
  std::int64_t newest_bucket_ = 0;
  Time refused_;             // at last
  Time resumed_;             // after that
  std::uint64_t taken_ = 0;  // since then
};

}  // namespace spanferry::uploader
