// The backlog of one experiment does not hold up the others: counted in calls, not in time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/uploader/trace_fixture.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;

constexpr std::string_view kStart = "POST https://workspace/api/3.0/mlflow/traces";
constexpr std::uint32_t kFresh = 100'000;

struct FairRoutes : TraceFixture {
  FairRoutes() { settings.assemble.quiet = std::chrono::milliseconds(0); }
};

TEST_F(FairRoutes, AFreshTraceDoesNotWaitForTheBacklogOfAnotherExperiment) {
  constexpr std::uint32_t kBacklog = 5000;
  constexpr std::size_t kCallsBefore = 100;
  for (std::uint32_t n = 1; n <= kBacklog; ++n) append({trace_span(n, 1, 0)}, {"1", {}, {}});
  std::size_t starts = 0, fresh_at = 0;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what != kStart) return std::nullopt;
    if (++starts == kCallsBefore) append({trace_span(kFresh, 1, 0)}, {"2", {}, {}});
    if (call.body.find(mlflow::trace_name_of(trace_of(kFresh))) != std::string::npos) fresh_at = starts;
    return std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until([&] { return fresh_at != 0; }));
  // The walk to the end of the log launches what there is room for after each step of 256 records.
  EXPECT_LE(fresh_at - kCallsBefore, (kBacklog / 256 + 2) * settings.concurrency);
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(settled()[Outcome::delivered], kBacklog + 1);
  EXPECT_EQ(starts, kBacklog + 1);
}

}  // namespace
}  // namespace spanferry::uploader
