#include <map>

#include <gtest/gtest.h>

#include "daemon/budgets.hpp"
#include "daemon/fit_memory.hpp"
#include "daemon/memory_limit.hpp"

namespace spanferry::daemon {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;

std::optional<MemoryLimit> limit_in(const std::map<std::string, std::string>& files) {
  return memory_limit([&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second;
  });
}

TEST(MemoryLimit, IsTheLowestOnTheWayUp) {
  const auto limit = limit_in({{"/proc/self/cgroup", "0::/system.slice/spanferry.service\n"},
                               {"/sys/fs/cgroup/system.slice/spanferry.service/memory.max", "max\n"},
                               {"/sys/fs/cgroup/system.slice/spanferry.service/memory.high", "209715200\n"},
                               {"/sys/fs/cgroup/system.slice/memory.max", "104857600\n"}});
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->bytes, 100 * kMiB);
  EXPECT_EQ(limit->file, "/sys/fs/cgroup/system.slice/memory.max");
}

TEST(MemoryLimit, OfAContainerStandsAtTheRootThatItSees) {
  const auto limit =
      limit_in({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "100663296\n"}});
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->bytes, 96 * kMiB);
}

TEST(MemoryLimit, OfVersionOneIsRead) {
  const auto limit = limit_in({{"/proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n"},
                               {"/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "100663296\n"},
                               {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}});
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->bytes, 96 * kMiB);
}

TEST(MemoryLimit, IsNoneWhereNobodySaysSo) {
  EXPECT_FALSE(limit_in({}));
  EXPECT_FALSE(limit_in({{"/proc/self/cgroup", "0::/\nnonsense\n"}, {"/sys/fs/cgroup/memory.max", "max\n"}}));
  EXPECT_FALSE(limit_in({{"/proc/self/cgroup", "4:memory:/\n"},
                         {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}}));
}

config::Loaded loaded_with(std::size_t destinations) {
  config::Loaded loaded;
  loaded.shown = {{"listen.max_inflight_bytes", "64MiB", "default"},
                  {"listen.max_body_bytes", "64MiB", "default"},
                  {"listen.max_connections", "10000", "default"}};
  for (std::size_t i = 0; i < destinations; ++i) {
    uploader::DestinationSettings destination;
    destination.name = "d" + std::to_string(i);
    destination.kind = uploader::Kind::otlp;
    loaded.settings.uploader.destinations.push_back(destination);
    loaded.shown.push_back({"destinations[" + std::to_string(i) + "].max_batch_bytes", "4MiB", "default"});
  }
  return loaded;
}

std::uint64_t sum(const config::Loaded& loaded) {
  std::uint64_t bytes = 0;
  for (const auto& budget : memory_budgets(loaded.settings)) bytes += budget.bytes;
  return bytes;
}

TEST(FitMemory, ChangesNothingWhereThereIsEnough) {
  auto loaded = loaded_with(1);
  const auto before = sum(loaded);
  EXPECT_LE(before, 256 * kMiB);
  EXPECT_EQ(fit_memory(loaded, {512 * kMiB, "file"}), "");
  EXPECT_EQ(sum(loaded), before);
}

TEST(FitMemory, LowersBudgetsUntilTheyFitNinetySixMebibytes) {
  for (const std::size_t destinations : {0U, 1U, 2U}) {
    auto loaded = loaded_with(destinations);
    const auto lowered = fit_memory(loaded, {96 * kMiB, "the file"});
    ASSERT_TRUE(lowered) << lowered.error().sentence;
    EXPECT_NE(lowered->find("the file"), std::string::npos);
    EXPECT_LE(sum(loaded), 96 * kMiB / 10 * 9);
    EXPECT_GE(sum(loaded), 96 * kMiB / 10 * 8) << "what there is is used";
    EXPECT_EQ(loaded.shown[0].origin, "memory limit");
    EXPECT_LT(loaded.settings.ingest.max_connections, 10000U);
  }
}

TEST(FitMemory, LeavesWhatAnOperatorHasSet) {
  auto loaded = loaded_with(1);
  loaded.settings.ingest.max_inflight_bytes = 20 * kMiB;
  loaded.shown[0] = {"listen.max_inflight_bytes", "20MiB", "file:3"};
  ASSERT_TRUE(fit_memory(loaded, {96 * kMiB, "file"}));
  EXPECT_EQ(loaded.settings.ingest.max_inflight_bytes, 20 * kMiB);
  EXPECT_EQ(loaded.shown[0].origin, "file:3");
}

TEST(FitMemory, RefusesWhatCannotFit) {
  auto loaded = loaded_with(1);
  const auto small = fit_memory(loaded, {48 * kMiB, "the file"});
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().kind, ErrorKind::configuration);
  EXPECT_NE(small.error().sentence.find("48.0 MiB (the file) is too small"), std::string::npos);
  loaded.settings.ingest.max_inflight_bytes = 90 * kMiB;
  loaded.shown[0].origin = "file:3";
  EXPECT_FALSE(fit_memory(loaded, {96 * kMiB, "file"}));
}

}  // namespace
}  // namespace spanferry::daemon
