// Defaults that depend on the machine, and the questions asked of it: injected, so that tests are pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "config/raw.hpp"
#include "config/settings.hpp"
#include "model/result.hpp"

namespace spanferry::config {

struct Machine {
  std::function<bool(const std::string& path)> is_file;
  // Errors: not_found, io; the sentence names the path.
  std::function<Result<std::string>(const std::string& path)> read_file;
  // Whether we can write there, making the directory if it is missing.
  std::function<bool(const std::string& path)> can_keep_files_in;
  // The path without symbolic links; itself where it is not there.
  std::function<std::string(const std::string& path)> real_path;
  // Bytes of the filesystem that holds, or would hold, this path; nothing if it cannot be told.
  std::function<std::optional<std::uint64_t>(const std::string& path)> filesystem_bytes;
};

// The machine we run on.
Machine this_machine();

struct DirectoryChoice {
  std::string directory;  // empty: none was found
  std::string because;    // "default ($STATE_DIRECTORY)"
};
DirectoryChoice default_spool_directory(const Environment& environment, const Machine& machine);

// min(10 GiB, half of the filesystem), but never below what a spool needs.
std::uint64_t default_max_bytes(std::optional<std::uint64_t> filesystem_bytes);
// min(1 GiB, 5 % of the filesystem).
std::uint64_t default_min_free_bytes(std::optional<std::uint64_t> filesystem_bytes);

}  // namespace spanferry::config
