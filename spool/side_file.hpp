// The second copy of what must not be lost with a damaged state: where the log begins and ends, and how far
// every cursor is. A small checksummed file, replaced as a whole; a start takes the larger of the two copies.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "model/result.hpp"
#include "spool/progress.hpp"

namespace spanferry::spool {

inline constexpr std::size_t kMaxSideFileBytes = 16U << 20;

struct SideFile {
  Boundary first;                              // nothing below is needed by anyone
  Boundary end;                                // at least this far the log had come
  std::map<std::string, std::string> cursors;  // name → Progress::encode
};

// Durable when it returns.
Result<> write_side_file(const std::string& path, const SideFile& content);
// Nothing if there is none. Errors: damaged, unsupported, io.
Result<std::optional<SideFile>> read_side_file(const std::string& path);

}  // namespace spanferry::spool
