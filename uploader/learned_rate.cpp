#include "uploader/learned_rate.hpp"

#include <algorithm>

namespace spanferry::uploader {
namespace {

using std::chrono::milliseconds;
using Seconds = std::chrono::duration<double>;

// What a refusal costs at least: so that the next one is a while away. And at most, however little is seen to
// have been taken meanwhile: it may be that little was sent.
constexpr double kLeastDecrease = 0.97, kMostDecrease = 0.5;
// Below, the pauses that the far side asks for are limit enough. And so little taken before the first refusal
// tells nothing.
constexpr double kLeastRate = 1, kLeastSeen = 5;
// Until the rate is back where it was refused. Each refusal costs a pause of at least a second, so they have
// to be far apart.
constexpr Seconds kRecovery{60};
// Far beyond what was ever refused there is no limit any more.
constexpr double kForgetAt = 4;
// Requests that come late do not lose their turn: so much of a standstill is made up for.
constexpr milliseconds kSlack{50};
// What was taken since the last refusal shows the limit while all of the time was used.
constexpr Seconds kCountsUpTo{10};
// Between two requests that had to wait the rate was what held us, if they are no further apart.
constexpr milliseconds kBinding{1000};
constexpr milliseconds kBucket{100};

}  // namespace

void LearnedRate::accepted(Time now) {
  ++taken_;
  const std::int64_t bucket = now.time_since_epoch() / kBucket;
  const std::int64_t missed = std::min<std::int64_t>(bucket - newest_bucket_, kBuckets);
  for (std::int64_t i = 0; i < missed; ++i) counts_[static_cast<std::size_t>(bucket - i) % kBuckets] = 0;
  newest_bucket_ = std::max(newest_bucket_, bucket);
  ++counts_[static_cast<std::size_t>(bucket) % kBuckets];
}

double LearnedRate::taken_last_second(Time now) const {
  const std::int64_t bucket = now.time_since_epoch() / kBucket;
  double taken = 0;
  for (std::int64_t b = std::max<std::int64_t>(0, bucket - static_cast<std::int64_t>(kBuckets) + 1);
       b <= newest_bucket_; ++b)
    taken += counts_[static_cast<std::size_t>(b) % kBuckets];
  return taken;
}

// The pause counts: a far side that lets bursts through takes them for what it did not get in the pause.
double LearnedRate::taken_since_refusal(Time now) const {
  return static_cast<double>(taken_) / std::max(1.0, Seconds(now - refused_).count());
}

void LearnedRate::refused(Time now, Clock::duration pause) {
  // Where everything is refused it is not the rate.
  if (learned_ && taken_ == 0) {
    learned_->next = now + pause;
    return;
  }
  const double before = learned_ ? rate_of(*learned_) : taken_last_second(now);
  if (!learned_ && before < kLeastSeen) return;
  double after = before * kLeastDecrease;
  if (learned_ && now - resumed_ <= kCountsUpTo)
    after = std::clamp(taken_since_refusal(now), before * kMostDecrease, after);
  learned_ = Learned{.refused_at = std::max(before, kLeastRate),
                     .first = std::max(after, kLeastRate),
                     .next = now + pause,
                     .last_growth = std::nullopt};
  refused_ = now;
  resumed_ = now + pause;
  taken_ = 0;
}

double LearnedRate::rate_of(const Learned& learned) {
  const double left = 1.0 - Seconds(learned.growing) / kRecovery;
  return learned.refused_at - (learned.refused_at - learned.first) * left * left * left;
}

LearnedRate::Time LearnedRate::reserve(Time now) {
  if (!learned_) return now;
  const Time at = std::max(learned_->next, now - kSlack);
  if (at > now) {
    // Only while it holds requests back is a rate tried, and may be raised.
    if (learned_->last_growth)
      learned_->growing += std::min<Clock::duration>(now - *learned_->last_growth, kBinding);
    learned_->last_growth = now;
  }
  const double rate = rate_of(*learned_);
  if (rate >= kForgetAt * learned_->refused_at) {
    learned_.reset();
    return now;
  }
  learned_->next = at + std::chrono::duration_cast<Clock::duration>(Seconds(1.0 / rate));
  return at;
}

std::optional<double> LearnedRate::per_second() const {
  if (!learned_) return std::nullopt;
  return rate_of(*learned_);
}

}  // namespace spanferry::uploader
