// A configuration that changes while the daemon runs: when to read it again, and what of it needs a restart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/settings.hpp"

namespace spanferry::daemon {

// Looks at a file by its path, never by its inode: editors and Kubernetes put another file in its place.
class WatchedFile {
 public:
  // As it is now is as it was read. An empty path never changes.
  explicit WatchedFile(std::string path);

  // Whether it is another one than was read and has been left alone since the last call: whoever is writing
  // it has finished. True once a change.
  bool changed();
  // It is being read now.
  void was_read() { read_ = seen_ = look(); }

 private:
  struct Stamp {
    bool there = false;
    std::uint64_t device = 0, inode = 0;
    std::int64_t bytes = 0, modified_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  [[nodiscard]] Stamp look() const;

  std::string path_;
  Stamp read_, seen_;
};

// The keys whose values differ and that a running daemon does not take over.
std::vector<std::string> keys_for_a_restart(const config::Loaded& in_force, const config::Loaded& wanted);

}  // namespace spanferry::daemon
