#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/fixture.hpp"

namespace spanferry::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(SpoolDirectory, IsSoughtInOrder) {
  TestMachine machine;
  machine.environment = {
      {"STATE_DIRECTORY", "/state/a:/state/b"}, {"XDG_STATE_HOME", "/xdg"}, {"HOME", "/home/u"}};
  EXPECT_EQ(machine.load()->settings.spool.directory, "/state/a");
  machine.environment.erase("STATE_DIRECTORY");
  EXPECT_EQ(machine.load()->settings.spool.directory, "/var/lib/spanferry");
  machine.system_directory_writable = false;
  EXPECT_EQ(machine.load()->settings.spool.directory, "/xdg/spanferry");
  machine.environment.erase("XDG_STATE_HOME");
  EXPECT_EQ(machine.load()->settings.spool.directory, "/home/u/.local/state/spanferry");
  machine.environment.erase("HOME");
  EXPECT_THAT(machine.load().error(), ElementsAre(HasSubstr("SPANFERRY_SPOOL_DIRECTORY")));
}

TEST(SpoolDirectory, OfTheServiceManagerMayBeALink) {
  TestMachine machine;
  machine.links = {{"/var/lib/spanferry", "/var/lib/private/spanferry"}};
  machine.environment = {{"STATE_DIRECTORY", "/var/lib/spanferry"}};
  EXPECT_EQ(machine.load()->settings.spool.directory, "/var/lib/private/spanferry");
  machine.environment = {{"SPANFERRY_SPOOL_DIRECTORY", "/var/lib/spanferry"}};
  EXPECT_EQ(machine.load()->settings.spool.directory, "/var/lib/spanferry") << "an operator's own word";
}

TEST(SpoolSize, FollowsTheFilesystem) {
  const auto spool = [](std::uint64_t filesystem) {
    TestMachine machine;
    machine.filesystem_bytes = filesystem;
    return machine.load()->settings.spool;
  };
  EXPECT_EQ(spool(100ULL << 30).max_bytes, 10ULL << 30);
  EXPECT_EQ(spool(100ULL << 30).min_free_bytes, 1ULL << 30);
  EXPECT_EQ(spool(4ULL << 30).max_bytes, 2ULL << 30);
  EXPECT_EQ(spool(4ULL << 30).min_free_bytes, (4ULL << 30) / 20);
  EXPECT_EQ(spool(160ULL << 20).max_bytes, spool::kMinMaxBytes);
  EXPECT_EQ(spool(160ULL << 20).dead_letter_max_bytes, spool::kMinMaxBytes / 4);
  EXPECT_EQ(spool(160ULL << 20).retain_bytes, spool::kMinMaxBytes / 2);
}

TEST(SpoolSize, MustHoldItsParts) {
  EXPECT_THAT(problems_of("spool: {max_bytes: 1GiB, dead_letter_max_bytes: 2GiB, retain: {bytes: 3GiB}}"),
              ElementsAre(HasSubstr("spool.dead_letter_max_bytes: is larger"),
                          HasSubstr("spool.retain.bytes: is larger")));
}

}  // namespace
}  // namespace spanferry::config
