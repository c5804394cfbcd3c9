#include "daemon/memory_limit.hpp"

#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace spanferry::daemon {
namespace {

// Version 1 has no word for "none": a number near the largest one stands for it.
constexpr std::uint64_t kNone = 1ULL << 60;

std::optional<std::uint64_t> parse_limit(std::string_view text) {
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc{} || end == text.data() || bytes >= kNone) return std::nullopt;  // "max" too
  return bytes;
}

struct Group {
  std::string root, path;           // of its hierarchy; of the group within
  std::vector<std::string> limits;  // names of its files
};

// Lines of /proc/self/cgroup: ID:CONTROLLERS:PATH, the controllers empty for version 2.
std::vector<Group> groups_of(const std::string& text) {
  std::vector<Group> groups;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers == ",,")
      groups.push_back({"/sys/fs/cgroup", path, {"memory.max", "memory.high"}});
    else if (controllers.contains(",memory,"))
      groups.push_back({"/sys/fs/cgroup/memory", path, {"memory.limit_in_bytes"}});
  }
  return groups;
}

}  // namespace

std::optional<MemoryLimit> memory_limit(const ReadText& read) {
  const auto own = read("/proc/self/cgroup");
  if (!own) return std::nullopt;
  std::optional<MemoryLimit> lowest;
  for (const Group& group : groups_of(*own)) {
    // A path that a container cannot see is not there; its root is.
    for (std::string path = group.path;; path.erase(path.rfind('/'))) {
      if (path == "/") path.clear();
      for (const auto& name : group.limits) {
        const std::string file = group.root + path + "/" + name;
        const auto text = read(file);
        const auto bytes = text ? parse_limit(*text) : std::nullopt;
        if (bytes && (!lowest || *bytes < lowest->bytes)) lowest = MemoryLimit{*bytes, file};
      }
      if (path.empty() || path.find('/') == std::string::npos) break;
    }
  }
  return lowest;
}

std::optional<MemoryLimit> memory_limit() {
  return memory_limit([](const std::string& path) -> std::optional<std::string> {
    const std::ifstream in(path);
    std::ostringstream text;
    if (!in || !(text << in.rdbuf())) return std::nullopt;
    return std::move(text).str();
  });
}

}  // namespace spanferry::daemon
