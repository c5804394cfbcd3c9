// A sender that always has more to send, against far sides that count in different ways; simulated time.
#include "uploader/learned_rate.hpp"

#include <cmath>
#include <deque>
#include <functional>
#include <memory>

#include <gtest/gtest.h>

namespace spanferry::uploader {
namespace {

using Time = LearnedRate::Time;
using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kStep{1}, kRoundTrip{50};

// True: it takes the request that comes now.
using FarSide = std::function<bool(Time)>;

FarSide by_whole_seconds(const double& limit) {
  return [&limit, second = std::int64_t{-1}, taken = 0.0](Time now) mutable {
    const auto this_second = std::chrono::floor<seconds>(now.time_since_epoch()).count();
    if (this_second != std::exchange(second, this_second)) taken = 0;
    return ++taken <= limit;
  };
}

FarSide by_bucket(const double& limit) {
  return [&limit, tokens = limit, last = Time{}](Time now) mutable {
    tokens = std::min(limit, tokens + duration<double>(now - last).count() * limit);
    last = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}

class Simulation {
 public:
  Simulation(FarSide far_side, std::size_t concurrency)
      : far_side_(std::move(far_side)), concurrency_(concurrency) {}

  struct Seen {
    int taken = 0, refused = 0, refusals = 0;  // refusals: bursts of them
  };
  Seen run(duration<double> time) {
    Seen seen;
    const Time until = now_ + std::chrono::duration_cast<milliseconds>(time);
    for (; now_ < until; now_ += kStep) {
      while (!under_way_.empty() && under_way_.front().answer <= now_) {
        const Sent one = under_way_.front();
        under_way_.pop_front();
        one.is_taken ? ++seen.taken : ++seen.refused;
        if (one.is_taken) {
          rate.accepted(now_);
        } else if (one.sent >= paused_until_) {
          ++seen.refusals;
          rate.refused(now_, seconds(1));
          paused_until_ = now_ + seconds(1);
          turn_.reset();
        }
      }
      while (now_ >= paused_until_ && under_way_.size() < concurrency_) {
        if (!turn_) turn_ = rate.reserve(now_);
        if (*turn_ > now_) break;
        turn_.reset();
        under_way_.push_back({now_, now_ + kRoundTrip, far_side_(now_ + kRoundTrip / 2)});
      }
    }
    return seen;
  }

  LearnedRate rate;

 private:
  struct Sent {
    Time sent, answer;
    bool is_taken;
  };
  const FarSide far_side_;
  const std::size_t concurrency_;
  std::deque<Sent> under_way_;
  Time now_{std::chrono::hours(1) + milliseconds(300)};  // in the middle of a second
  Time paused_until_{};
  std::optional<Time> turn_;
};

TEST(LearnedRate, HoldsNobodyBackBeforeTheFirstRefusal) {
  LearnedRate rate;
  const Time now{seconds(10)};
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(rate.reserve(now), now);
  EXPECT_FALSE(rate.per_second());
}

TEST(LearnedRate, LearnsNothingFromRefusalsOfEverything) {
  double limit = 0;
  Simulation closed(by_whole_seconds(limit), 8);
  EXPECT_GE(closed.run(seconds(60)).refusals, 50);  // one a pause
  EXPECT_FALSE(closed.rate.per_second());
  limit = 100;
  Simulation sim(by_whole_seconds(limit), 8);
  sim.run(seconds(30));
  limit = 0;
  sim.run(seconds(600));
  limit = 100;
  EXPECT_GE(sim.run(seconds(10)).taken, 0.5 * limit * 10);
}

// Within five percent, and seldom refused.
void expect_full_use(Simulation& sim, double limit) {
  const auto first = sim.run(seconds(60));
  EXPECT_GE(first.taken, 0.90 * limit * 60);
  const auto later = sim.run(seconds(600));
  EXPECT_GE(later.taken, 0.95 * limit * 600);
  EXPECT_LE(later.refusals, 600 / 30);
  EXPECT_LE(later.refused, 0.005 * later.taken);
}

class LearnedRateAt : public ::testing::TestWithParam<double> {};

TEST_P(LearnedRateAt, UsesALimitOfWholeSecondsWithinFivePercentAndIsSeldomRefused) {
  const double limit = GetParam();
  Simulation sim(by_whole_seconds(limit), 64);
  expect_full_use(sim, limit);
}

TEST_P(LearnedRateAt, UsesALimitThatLetsBurstsThroughWithinFivePercentAndIsSeldomRefused) {
  const double limit = GetParam();
  Simulation sim(by_bucket(limit), 64);
  expect_full_use(sim, limit);
}

INSTANTIATE_TEST_SUITE_P(Limits, LearnedRateAt, ::testing::Values(25, 200, 700));

TEST(LearnedRate, FollowsALimitThatIsLoweredAndOneThatIsRaised) {
  double limit = 200;
  Simulation sim(by_whole_seconds(limit), 64);
  sim.run(seconds(60));
  limit = 50;
  const auto lowered = sim.run(seconds(60));
  EXPECT_GE(lowered.taken, 0.8 * limit * 60);
  EXPECT_LE(lowered.refusals, 8);
  limit = 200;
  sim.run(seconds(400));
  EXPECT_GE(sim.run(seconds(60)).taken, 0.9 * limit * 60);
}

TEST(LearnedRate, ForgetsALimitThatIsNoMore) {
  double limit = 100;
  Simulation sim(by_whole_seconds(limit), 64);
  sim.run(seconds(30));
  ASSERT_TRUE(sim.rate.per_second());
  limit = 1e9;
  EXPECT_EQ(sim.run(seconds(900)).refused, 0);
  EXPECT_FALSE(sim.rate.per_second());
}

TEST(LearnedRate, DoesNotRiseByWhatDoesNotUseIt) {
  double limit = 100;
  Simulation sim(by_whole_seconds(limit), 64);
  sim.run(seconds(120));
  const double before = sim.rate.per_second().value_or(0);
  Time now{std::chrono::hours(3)};
  for (int i = 0; i < 3600; ++i) {
    now += seconds(1);
    for (int n = 0; n < 3; ++n) EXPECT_LE(sim.rate.reserve(now), now);
  }
  EXPECT_NEAR(sim.rate.per_second().value_or(0), before, 0.01 * before);
}

TEST(LearnedRate, SendsNoBurstAfterAStandstill) {
  LearnedRate rate;
  Time now{seconds(100)};
  for (int i = 0; i < 100; ++i) rate.accepted(now += milliseconds(10));
  rate.refused(now, seconds(1));
  now += seconds(30);
  int at_once = 0;
  while (rate.reserve(now) <= now) ++at_once;
  EXPECT_GE(at_once, 2);
  EXPECT_LE(at_once, 8);  // 50 ms of about 97 a second
}

// Taken one after the other, the last one at `now`.
void take(LearnedRate& rate, int requests, milliseconds apart, Time& now) {
  for (int i = 0; i < requests; ++i) rate.accepted(now += apart);
}

// A far side that took 100 in the last second and then refused: 97 a second from now on.
struct RateOfNinetySeven : ::testing::Test {
  LearnedRate rate;
  Time now{milliseconds(99'990)};
  RateOfNinetySeven() {
    take(rate, 100, milliseconds(10), now);
    rate.refused(now, seconds(1));
  }
  [[nodiscard]] double per_second() const { return rate.per_second().value_or(0); }
  // Sends all that may go at this moment, and one more has to wait.
  void use_up() {
    while (rate.reserve(now) <= now) {
    }
  }
};

TEST(LearnedRate, LearnsNothingFromTooFewBeforeTheFirstRefusal) {
  Time now{seconds(100)};
  LearnedRate four, five;
  take(four, 4, milliseconds(10), now);
  four.refused(now, seconds(1));
  EXPECT_FALSE(four.per_second());
  EXPECT_EQ(four.reserve(now), now);
  take(five, 5, milliseconds(10), now);
  five.refused(now, seconds(1));
  EXPECT_NEAR(five.per_second().value_or(0), 0.97 * 5, 0.01);
}

TEST(LearnedRate, CountsWhatWasTakenInTheLastSecondAlone) {
  Time now{seconds(100)};
  LearnedRate rate;
  take(rate, 80, milliseconds(10), now);
  now += milliseconds(1500);
  take(rate, 10, milliseconds(10), now);
  rate.refused(now, seconds(1));
  EXPECT_NEAR(rate.per_second().value_or(0), 0.97 * 10, 0.01);
  LearnedRate late;
  take(late, 80, milliseconds(10), now);
  late.refused(now + seconds(2), seconds(1));
  EXPECT_FALSE(late.per_second()) << "nothing was taken in the second before it";
}

TEST_F(RateOfNinetySeven, NothingGoesInThePause) {
  EXPECT_NEAR(per_second(), 97, 0.01);
  EXPECT_EQ(rate.reserve(now), now + seconds(1));
}

TEST_F(RateOfNinetySeven, ASecondRefusalSoonAfterIsJudgedByWhatWasTakenSinceThePauseIncluded) {
  take(rate, 350, milliseconds(11), now);
  now += milliseconds(150);
  rate.refused(now, seconds(1));  // five seconds after the first one, less 1 ms a request
  EXPECT_NEAR(per_second(), 350 / 4.0, 0.01);
}

TEST_F(RateOfNinetySeven, ASecondRefusalSoonAfterCostsAtMostHalfAndAtLeastThreePercent) {
  LearnedRate little = rate, much = rate;
  Time later = now + seconds(2);
  take(little, 1, milliseconds(10), later);
  little.refused(later, seconds(1));
  EXPECT_NEAR(little.per_second().value_or(0), 97 / 2.0, 0.01);
  later = now + seconds(1);
  take(much, 1000, milliseconds(1), later);
  much.refused(later, seconds(1));
  EXPECT_NEAR(much.per_second().value_or(0), 97 * 0.97, 0.01);
}

TEST_F(RateOfNinetySeven, ARefusalLongAfterCostsThreePercentHoweverLittleWasTaken) {
  now += seconds(12);
  take(rate, 1, milliseconds(10), now);
  rate.refused(now, seconds(1));
  EXPECT_NEAR(per_second(), 97 * 0.97, 0.01);
}

TEST_F(RateOfNinetySeven, WhereEverythingIsRefusedTheRateStaysAndOnlyThePauseCounts) {
  for (int i = 0; i < 10; ++i) {
    now += seconds(5);
    rate.refused(now, seconds(4));
  }
  EXPECT_NEAR(per_second(), 97, 0.01);
  EXPECT_EQ(rate.reserve(now), now + seconds(4));
}

TEST_F(RateOfNinetySeven, IsNeverBelowOneASecond) {
  for (int i = 0; i < 20; ++i) {
    now += seconds(2);
    take(rate, 1, milliseconds(10), now);
    rate.refused(now, seconds(1));
  }
  EXPECT_EQ(per_second(), 1);
}

TEST_F(RateOfNinetySeven, IsBackWhereItWasRefusedAfterAMinuteOfUseQuicklyAtFirst) {
  take(rate, 1, milliseconds(10), now);
  rate.refused(now, milliseconds(0));
  ASSERT_NEAR(per_second(), 97 / 2.0, 0.01);
  const auto use_for = [this](seconds time) {
    for (const Time until = now + time; now < until; now += milliseconds(100)) use_up();
  };
  use_for(seconds(30));
  EXPECT_NEAR(per_second(), 97 - 48.5 / 8, 0.5);
  use_for(seconds(30));
  EXPECT_NEAR(per_second(), 97, 0.1);
  use_for(seconds(60));
  EXPECT_NEAR(per_second(), 97 + 48.5, 1);
}

TEST_F(RateOfNinetySeven, OfTheTimeBetweenTwoWaitsASecondCountsAsUse) {
  take(rate, 1, milliseconds(10), now);
  rate.refused(now, milliseconds(0));
  for (int i = 0; i < 12; ++i) {
    use_up();
    now += seconds(5);
  }
  const double left = 1 - 11 / 60.0;
  EXPECT_NEAR(per_second(), 97 - 48.5 * left * left * left, 0.5);
}

}  // namespace
}  // namespace spanferry::uploader
