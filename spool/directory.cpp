#include "spool/directory.hpp"

#include <cerrno>
#include <cstring>
#include <limits>
#include <map>

#include <dirent.h>
#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "spool/container_volume.hpp"

namespace spanferry::spool {
namespace {

std::unexpected<Error> os_error(std::string_view doing, const std::string& path, int error) {
  return fail(error == ENOSPC || error == EDQUOT ? ErrorKind::full : ErrorKind::io,
              fmt::format("{} {}: {}", doing, path, std::strerror(error)));
}

// Owns a descriptor.
class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

Result<> write_all(const std::string& path, std::string_view content) {
  const File file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  if (file.fd() < 0) return os_error("cannot create", path, errno);
  while (!content.empty()) {
    const ssize_t n = ::write(file.fd(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return os_error("cannot write", path, errno);
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file.fd()) != 0) return os_error("cannot sync", path, errno);
  return {};
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// Who owns what we make there: not us on a network filesystem that gives everybody one name.
uid_t owner_of_new_files(const std::string& directory) {
  const std::string path = fmt::format("{}/.owner-{}", directory, ::getpid());
  const File file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  struct stat info{};
  const bool known = file.fd() >= 0 && ::fstat(file.fd(), &info) == 0;
  if (file.fd() >= 0) ::unlink(path.c_str());
  return known ? info.st_uid : ::geteuid();
}

// Group and others have no business with what prompts and answers say, nor may they put links in our way.
Result<> make_it_ours_alone(const std::string& path, const struct stat& info) {
  const uid_t me = ::geteuid();
  if (info.st_uid != me && info.st_uid != 0 && info.st_uid != owner_of_new_files(path)) {
    return fail(
        ErrorKind::configuration,
        fmt::format("spool.directory {} belongs to another user (uid {}, we are {}), who could change what "
                    "is in it; give it to this user, or name another one",
                    path, info.st_uid, me));
  }
  if ((info.st_mode & 0077) == 0 || ::chmod(path.c_str(), 0700) == 0) return {};
  // A volume that the platform made for us, as Kubernetes does: root's, and open to our group. Files are
  // 0600 there too.
  if (errno == EPERM && info.st_uid != me) return {};
  return os_error("cannot narrow the mode of the spool directory", path, errno);
}

}  // namespace

Result<> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return sync_directory(parent_of(path));
  if (errno == EEXIST) return {};
  if (errno != ENOENT || path == parent_of(path)) return os_error("cannot make the directory", path, errno);
  if (auto made = make_directory(parent_of(path)); !made) return made;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return os_error("cannot make the directory", path, errno);
  }
  return sync_directory(parent_of(path));
}

Result<> prepare_directory(const std::string& path) {
  if (path.empty() || path.front() != '/') {
    return fail(ErrorKind::configuration,
                fmt::format("spool.directory must be an absolute path, not \"{}\"", path));
  }
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return os_error("cannot look at the spool directory", path, errno);
    if (auto made = make_directory(path); !made) return std::unexpected(made.error().in("spool.directory"));
    if (::lstat(path.c_str(), &info) != 0) return os_error("cannot look at the spool directory", path, errno);
  }
  if (S_ISLNK(info.st_mode)) {
    return fail(ErrorKind::configuration,
                fmt::format("spool.directory {} is a symbolic link; name the directory itself", path));
  }
  if (!S_ISDIR(info.st_mode)) {
    return fail(ErrorKind::configuration, fmt::format("spool.directory {} is not a directory", path));
  }
  return make_it_ours_alone(path, info);
}

Result<> replace_file(const std::string& path, std::string_view content) {
  const std::string fresh = path + ".new";
  if (auto written = write_all(fresh, content); !written) return written;
  if (::rename(fresh.c_str(), path.c_str()) != 0) return os_error("cannot replace", path, errno);
  return sync_directory(parent_of(path));
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const File file(path, O_RDONLY);
  if (file.fd() < 0) {
    if (errno == ENOENT) return fail(ErrorKind::not_found, fmt::format("{} is not there", path));
    return os_error("cannot open", path, errno);
  }
  std::string content;
  std::string piece(64U << 10, '\0');
  for (;;) {
    const ssize_t n = ::read(file.fd(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error("cannot read", path, errno);
    if (n == 0) return content;
    if (content.size() + static_cast<std::size_t>(n) > limit) {
      return fail(ErrorKind::too_large, fmt::format("{} is larger than {} bytes", path, limit));
    }
    content.append(piece, 0, static_cast<std::size_t>(n));
  }
}

Result<> sync_directory(const std::string& path) {
  const File directory(path, O_RDONLY | O_DIRECTORY);
  if (directory.fd() < 0) return os_error("cannot open the directory", path, errno);
  // Some filesystems cannot sync a directory and say EINVAL; they offer nothing better.
  if (::fsync(directory.fd()) != 0 && errno != EINVAL)
    return os_error("cannot sync the directory", path, errno);
  return {};
}

Result<> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return os_error("cannot remove", path, errno);
  }
  return sync_directory(parent_of(path));
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(directory);
  return names;
}

std::uint64_t disk_usage(const std::string& path) {
  std::uint64_t total = 0;
  for (const auto& name : list_directory(path)) {
    const std::string full = path + '/' + name;
    struct stat info{};
    if (::lstat(full.c_str(), &info) != 0) continue;
    total += static_cast<std::uint64_t>(info.st_blocks) * 512;
    if (S_ISDIR(info.st_mode)) total += disk_usage(full);
  }
  return total;
}

std::uint64_t free_bytes(const std::string& path) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

std::string filesystem_name(const std::string& path) {
  static const std::map<std::uint64_t, std::string> kNames{
      {0xEF53, "ext4"},     {0x58465342, "xfs"},   {0x01021994, "tmpfs"}, {0x794C7630, "overlayfs"},
      {0x6969, "nfs"},      {0x9123683E, "btrfs"}, {0x2FC12FC1, "zfs"},   {0xFF534D42, "cifs"},
      {0x65735546, "fuse"}, {0x858458F6, "ramfs"}, {0xF2F52010, "f2fs"},  {0x517B, "smb"},
      {0x01021997, "9p"},   {0xFE534D42, "smb2"}};
  struct statfs info{};
  if (::statfs(path.c_str(), &info) != 0) return "unknown";
  const auto found = kNames.find(static_cast<std::uint64_t>(info.f_type) & 0xffffffffU);
  return found != kNames.end() ? found->second
                               : fmt::format("{:#x}", static_cast<std::uint32_t>(info.f_type));
}

std::vector<std::string> filesystem_warnings(const std::string& name) {
  if (name == "tmpfs" || name == "ramfs") {
    return {"The spool is in memory (" + name +
            "): a restart of the machine or the pod loses what is not delivered"};
  }
  if (name == "overlayfs") {
    return {
        "The spool is in the container's own layer (overlayfs): replacing the container loses what is not "
        "delivered; mount a volume"};
  }
  if (name == "nfs" || name == "cifs" || name == "smb" || name == "smb2" || name == "9p") {
    return {"The spool is on a network filesystem (" + name +
            "): its locks and syncs may promise less than a local disk's"};
  }
  return {};
}

std::vector<std::string> warnings_of_place(const std::string& path, const std::string& name) {
  auto warnings = filesystem_warnings(name);
  constexpr std::size_t kMaxMountsBytes = 1U << 20;
  if (const auto mounts = read_file("/proc/self/mountinfo", kMaxMountsBytes);
      mounts && is_nameless_volume(*mounts, path)) {
    warnings.emplace_back(
        "The spool is on a volume without a name: the next container gets another one, without what is not "
        "delivered; name it, as with -v spanferry:/var/lib/spanferry");
  }
  return warnings;
}

}  // namespace spanferry::spool
