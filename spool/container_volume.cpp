#include "spool/container_volume.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace spanferry::spool {
namespace {

constexpr std::size_t kIdDigits = 64;

// "36 35 98:0 /ROOT /POINT ...": what of its filesystem is mounted, and where.
struct Mount {
  std::string_view root, point;
};

Mount mount_of(std::string_view line) {
  std::array<std::string_view, 5> fields;
  for (auto& field : fields) {
    const auto end = std::min(line.find(' '), line.size());
    field = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return {fields[3], fields[4]};
}

bool is_below(std::string_view path, std::string_view point) {
  if (point == "/") return true;
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

// ".../volumes/ID/_data" of Docker and Podman, ".../volumes/ID" of containerd; ID is 64 hex digits where
// nobody chose a name.
bool names_nobody_chose(std::string_view root) {
  constexpr std::string_view kData = "/_data", kVolumes = "/volumes/";
  if (root.ends_with(kData)) root.remove_suffix(kData.size());
  const auto slash = root.rfind('/');
  if (slash == std::string_view::npos || root.size() - slash - 1 != kIdDigits) return false;
  const auto id = root.substr(slash + 1);
  return root.substr(0, slash + 1).ends_with(kVolumes) &&
         std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

bool is_nameless_volume(std::string_view mountinfo, std::string_view path) {
  Mount nearest;
  while (!mountinfo.empty()) {
    const auto end = std::min(mountinfo.find('\n'), mountinfo.size());
    const auto mount = mount_of(mountinfo.substr(0, end));
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
    // Of two mounts at one place the later hides the earlier.
    if (is_below(path, mount.point) && mount.point.size() >= nearest.point.size()) nearest = mount;
  }
  return names_nobody_chose(nearest.root);
}

}  // namespace spanferry::spool
