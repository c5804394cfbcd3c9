#include "spool/container_volume.hpp"

#include <string>

#include <gtest/gtest.h>

namespace spanferry::spool {
namespace {

const std::string kId(64, 'a');

std::string mounted(const std::string& root) {
  return "500 400 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l\n"
         "501 500 8:1 " +
         root + " /var/lib/spanferry rw,relatime master:1 - ext4 /dev/sda1 rw\n";
}

TEST(NamelessVolume, IsOneWhoseNameIsAnId) {
  EXPECT_TRUE(is_nameless_volume(mounted("/var/lib/docker/volumes/" + kId + "/_data"), "/var/lib/spanferry"));
  EXPECT_TRUE(
      is_nameless_volume(mounted("/var/lib/docker/volumes/" + kId + "/_data"), "/var/lib/spanferry/spool"));
  EXPECT_TRUE(
      is_nameless_volume(mounted("/containerd/containers/c/volumes/" + kId), "/var/lib/spanferry/spool"));
}

TEST(NamelessVolume, IsNoneThatSomebodyNamed) {
  EXPECT_FALSE(is_nameless_volume(mounted("/var/lib/docker/volumes/spanferry/_data"), "/var/lib/spanferry"));
  EXPECT_FALSE(is_nameless_volume(mounted("/srv/spool"), "/var/lib/spanferry"));
  EXPECT_FALSE(is_nameless_volume(mounted("/srv/" + kId), "/var/lib/spanferry"));
}

TEST(NamelessVolume, IsAskedOfTheMountThatHoldsThePath) {
  const auto mounts = mounted("/var/lib/docker/volumes/" + kId + "/_data");
  EXPECT_FALSE(is_nameless_volume(mounts, "/var/lib/other"));
  EXPECT_FALSE(is_nameless_volume(mounts, "/var/lib/spanferry-2")) << "not below it";
  EXPECT_FALSE(
      is_nameless_volume(mounts + "502 501 8:2 /srv/spool /var/lib/spanferry/spool rw - ext4 /dev/sdb rw\n",
                         "/var/lib/spanferry/spool"));
}

TEST(NamelessVolume, TakesWhateverTextThereIs) {
  EXPECT_FALSE(is_nameless_volume("", "/var/lib/spanferry"));
  EXPECT_FALSE(is_nameless_volume("\n\n1 2\n / / / / /", "/var/lib/spanferry"));
}

}  // namespace
}  // namespace spanferry::spool
