// How much memory this process may take before the kernel kills it: the limit of its control group.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace spanferry::daemon {

struct MemoryLimit {
  std::uint64_t bytes = 0;
  std::string file;  // that says so
};

// The text of a file; nothing if it cannot be read.
using ReadText = std::function<std::optional<std::string>(const std::string& path)>;

// The lowest one on the way from our control group up to the root, version 2 (memory.max and memory.high,
// beyond which the kernel slows a group down) or 1 (cgroups(7)); nothing if there is none.
std::optional<MemoryLimit> memory_limit(const ReadText& read);
std::optional<MemoryLimit> memory_limit();  // of this process

}  // namespace spanferry::daemon
