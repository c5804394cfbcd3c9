#include "config/defaults.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace spanferry::config {
namespace {

constexpr std::string_view kSystemDirectory = "/var/lib/spanferry";

// The path itself, or the nearest directory above it that exists.
std::filesystem::path nearest_existing(std::filesystem::path path) {
  std::error_code ignored;
  while (!path.empty() && path != path.root_path() && !std::filesystem::exists(path, ignored))
    path = path.parent_path();
  return path;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int error = errno;
    return fail(error == ENOENT ? ErrorKind::not_found : ErrorKind::io,
                fmt::format("{} cannot be read: {}", path, std::strerror(error)));
  }
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return fail(ErrorKind::io, fmt::format("{} cannot be read", path));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

Machine this_machine() {
  return {
      .is_file = [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; },
      .read_file = read_file,
      .can_keep_files_in =
          [](const std::string& path) { return ::access(nearest_existing(path).c_str(), W_OK | X_OK) == 0; },
      .real_path =
          [](const std::string& path) {
            std::error_code error;
            const auto real = std::filesystem::canonical(path, error);
            return error ? path : real.string();
          },
      .filesystem_bytes = [](const std::string& path) -> std::optional<std::uint64_t> {
        struct statvfs info{};
        if (::statvfs(nearest_existing(path).c_str(), &info) != 0) return std::nullopt;
        return static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize;
      },
  };
}

DirectoryChoice default_spool_directory(const Environment& environment, const Machine& machine) {
  // systemd: a list with colons when a unit has several. With DynamicUser= it is a link that systemd made, to
  // a directory that only root can reach; the spool itself refuses links, which anybody may have put there.
  if (auto state = variable(environment, "STATE_DIRECTORY"); !state.empty())
    return {machine.real_path(std::string(state.substr(0, state.find(':')))), "default ($STATE_DIRECTORY)"};
  if (machine.can_keep_files_in(std::string(kSystemDirectory)))
    return {machine.real_path(std::string(kSystemDirectory)), "default"};
  if (const auto state = variable(environment, "XDG_STATE_HOME"); state.starts_with('/'))
    return {fmt::format("{}/spanferry", state), "default ($XDG_STATE_HOME)"};
  if (const auto home = variable(environment, "HOME"); home.starts_with('/'))
    return {fmt::format("{}/.local/state/spanferry", home), "default ($HOME)"};
  return {};
}

std::uint64_t default_max_bytes(std::optional<std::uint64_t> filesystem_bytes) {
  constexpr std::uint64_t kMost = 10ULL << 30;
  if (!filesystem_bytes) return kMost;
  return std::clamp(*filesystem_bytes / 2, spool::kMinMaxBytes, kMost);
}

std::uint64_t default_min_free_bytes(std::optional<std::uint64_t> filesystem_bytes) {
  constexpr std::uint64_t kMost = 1ULL << 30;
  return filesystem_bytes ? std::min(*filesystem_bytes / 20, kMost) : kMost;
}

}  // namespace spanferry::config
