#include "daemon/check_spool.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/quantities.hpp"
#include "spool/directory.hpp"
#include "spool/limits.hpp"
#include "spool/lock_file.hpp"

namespace spanferry::daemon {
namespace {

std::string user_name(uid_t user) {
  const passwd* known = ::getpwuid(user);
  return known != nullptr ? std::string(known->pw_name) : fmt::format("{}", user);
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// The directory itself, or the nearest one above it that is there.
std::string nearest_existing(std::string path) {
  struct stat info{};
  while (path != "/" && ::stat(path.c_str(), &info) != 0 && errno == ENOENT) path = parent_of(path);
  return path;
}

Finding cannot_write(const std::string& directory, const std::string& place, int error) {
  Finding finding{
      Grade::fail,
      "spool directory",
      fmt::format("{} cannot be written by user {}: {}", place, user_name(::geteuid()), std::strerror(error)),
      {}};
  struct stat info{};
  if (error == EROFS)
    finding.next = "mount a volume there that can be written, or set spool.directory";
  else if (::stat(place.c_str(), &info) == 0 && info.st_uid != ::geteuid())
    finding.next = fmt::format(
        "it belongs to {}: run this (and the daemon) as that user, or chown {} to the daemon's user",
        user_name(info.st_uid), place);
  else
    finding.next =
        fmt::format("chmod u+rwx {}, or set spool.directory to another one than {}", place, directory);
  return finding;
}

Finding check_directory(const std::string& directory) {
  const std::string subject = "spool directory";
  struct stat info{};
  const bool is_there = ::lstat(directory.c_str(), &info) == 0;
  if (is_there && S_ISLNK(info.st_mode))
    return {Grade::fail, subject, fmt::format("{} is a symbolic link", directory),
            "name the directory itself"};
  if (is_there && !S_ISDIR(info.st_mode))
    return {Grade::fail, subject, fmt::format("{} is not a directory", directory),
            "move it away, or set spool.directory"};
  const std::string place = nearest_existing(directory);
  if (::faccessat(AT_FDCWD, place.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return cannot_write(directory, place, errno);
  if (is_there && (info.st_mode & 0077) != 0 && info.st_uid != ::geteuid() && ::geteuid() != 0)
    return {Grade::fail, subject,
            fmt::format("{} is open to others, and belongs to {}", directory, user_name(info.st_uid)),
            fmt::format("chown it to user {}, or chmod 0700 it", user_name(::geteuid()))};
  return {Grade::ok, subject, is_there ? directory : fmt::format("{} will be made", directory), {}};
}

Finding check_filesystem(const std::string& place) {
  const auto filesystem = spool::filesystem_name(place);
  const auto warnings = spool::warnings_of_place(place, filesystem);
  if (warnings.empty()) return {Grade::ok, "spool filesystem", filesystem, {}};
  return {Grade::warn, "spool filesystem", warnings.front(),
          "set spool.directory to a directory on a local disk (a volume, in a container)"};
}

Finding check_space(const spool::Settings& settings, const std::string& place) {
  const auto free = spool::free_bytes(place);
  const auto needed = settings.min_free_bytes + spool::kDiskGuardBytes;
  if (free < needed)
    return {Grade::fail, "free space",
            fmt::format("{} is full: {} free, and spans are refused below {} (spool.min_free_bytes {})",
                        place, bytes_text(free), bytes_text(needed), bytes_text(settings.min_free_bytes)),
            "make room there, or set spool.directory to another filesystem"};
  const auto used = spool::disk_usage(settings.directory);
  const auto still = settings.max_bytes > used ? settings.max_bytes - used : 0;
  if (free - settings.min_free_bytes < still)
    return {
        Grade::warn, "free space",
        fmt::format("{} free, less than the {} that spool.max_bytes may still take", bytes_text(free),
                    bytes_text(still)),
        "spans are refused when it is used up: make room, or lower spool.max_bytes so that it is foreseen"};
  return {Grade::ok,
          "free space",
          fmt::format("{} free; the spool takes {} of {}", bytes_text(free), bytes_text(used),
                      bytes_text(settings.max_bytes)),
          {}};
}

Finding check_lock(const std::string& directory, const std::optional<std::string>& running) {
  const auto holder = spool::LockFile::holder(spool::Layout{directory}.lock());
  if (!holder) return {Grade::ok, "spool lock", "nobody uses it", {}};
  if (running == directory)
    return {Grade::ok, "spool lock", fmt::format("the running daemon uses it ({})", *holder), {}};
  return {Grade::fail, "spool lock",
          fmt::format("{} is in use by {}, which does not answer at our address", directory, *holder),
          "stop it, or give this daemon another spool.directory"};
}

}  // namespace

std::vector<Finding> check_spool(const spool::Settings& settings, const std::optional<std::string>& running) {
  std::vector<Finding> findings;
  const std::string place = nearest_existing(settings.directory);
  findings.push_back(check_directory(settings.directory));
  findings.push_back(check_filesystem(place));
  findings.push_back(check_space(settings, place));
  findings.push_back(check_lock(settings.directory, running));
  return findings;
}

}  // namespace spanferry::daemon
