// The spool's directory as the operating system sees it: modes, durable file replacement, space.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.hpp"

namespace spanferry::spool {

// What lies in the spool's directory.
struct Layout {
  std::string root;
  [[nodiscard]] std::string store() const { return root + "/db"; }  // RocksDB's own
  [[nodiscard]] std::string lock() const { return root + "/lock"; }
  [[nodiscard]] std::string side_file() const { return root + "/progress"; }
  [[nodiscard]] std::string clean_marker() const { return root + "/clean"; }
  [[nodiscard]] std::string reserve() const { return root + "/reserve"; }
  [[nodiscard]] std::string quarantine() const { return root + "/quarantine"; }
};

// Makes the directory (mode 0700, parents as needed) or checks the one there: a symbolic link or anything
// that is no directory, or belongs to a user who is neither we nor root, is refused (configuration); a wider
// mode is narrowed to 0700 where we may.
Result<> prepare_directory(const std::string& path);
Result<> make_directory(const std::string& path);

// Replaces `path` so that a power cut leaves the old content or the new: written beside it, synced, renamed,
// directory synced. Mode 0600.
Result<> replace_file(const std::string& path, std::string_view content);
// not_found if there is none; too_large beyond `limit`.
Result<std::string> read_file(const std::string& path, std::size_t limit);
Result<> sync_directory(const std::string& path);
// Gone for good when it returns; not an error if it was not there.
Result<> remove_file(const std::string& path);

std::vector<std::string> list_directory(const std::string& path);  // names; empty if it cannot be read

// Bytes that the files below `path` occupy. Files that vanish meanwhile do not matter.
std::uint64_t disk_usage(const std::string& path);
// Bytes of its filesystem that an unprivileged process may still use; nothing known: the largest number.
std::uint64_t free_bytes(const std::string& path);
// ext4, xfs, tmpfs, overlayfs, nfs, ...
std::string filesystem_name(const std::string& path);
// What a restart, a power cut or another host may do to a spool there, in sentences.
std::vector<std::string> filesystem_warnings(const std::string& name);
// The same and what is to be said of a container's volume, for a directory on the filesystem `name`.
std::vector<std::string> warnings_of_place(const std::string& path, const std::string& name);

}  // namespace spanferry::spool
