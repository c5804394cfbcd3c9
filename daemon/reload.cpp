#include "daemon/reload.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <sys/stat.h>

namespace spanferry::daemon {
namespace {

constexpr std::array<std::string_view, 4> kTakenOver{"log.level", "drain.timeout", "spool.retain.bytes",
                                                     "spool.retain.age"};
// Lists and maps are taken over as a whole.
constexpr std::array<std::string_view, 3> kTakenOverBelow{"destinations[", "routes[", "context."};

bool is_taken_over(std::string_view key) {
  return std::ranges::find(kTakenOver, key) != kTakenOver.end() ||
         std::ranges::any_of(kTakenOverBelow, [&](auto prefix) { return key.starts_with(prefix); });
}

}  // namespace

WatchedFile::WatchedFile(std::string path) : path_(std::move(path)) { was_read(); }

bool WatchedFile::changed() {
  if (path_.empty()) return false;
  const Stamp now = look();
  const bool is_still = now == seen_;
  seen_ = now;
  if (!is_still || now == read_) return false;
  read_ = now;
  return true;
}

WatchedFile::Stamp WatchedFile::look() const {
  struct stat info{};
  if (path_.empty() || ::stat(path_.c_str(), &info) != 0) return {};
  return {.there = true,
          .device = info.st_dev,
          .inode = info.st_ino,
          .bytes = info.st_size,
          .modified_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

std::vector<std::string> keys_for_a_restart(const config::Loaded& in_force, const config::Loaded& wanted) {
  std::vector<std::string> keys;
  for (const auto& now : wanted.shown) {
    if (is_taken_over(now.key)) continue;
    const auto before = std::ranges::find(in_force.shown, now.key, &config::Shown::key);
    if (before != in_force.shown.end() && before->value != now.value) keys.push_back(now.key);
  }
  return keys;
}

}  // namespace spanferry::daemon
