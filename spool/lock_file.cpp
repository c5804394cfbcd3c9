#include "spool/lock_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <unistd.h>

namespace spanferry::spool {
namespace {

constexpr std::chrono::milliseconds kLockPoll{50};  // flock cannot wait with a deadline

std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  std::string pid(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!pid.empty() && (pid.back() < '0' || pid.back() > '9')) pid.pop_back();
  return pid.empty() ? "another process" : "process " + pid;
}

}  // namespace

Result<std::unique_ptr<LockFile>> LockFile::take(const std::string& path, std::chrono::milliseconds wait,
                                                 const std::function<void(std::string_view)>& on_wait) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(ErrorKind::io, fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  std::unique_ptr<LockFile> lock(new LockFile(fd));
  const auto deadline = std::chrono::steady_clock::now() + wait;
  bool told = false;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return fail(ErrorKind::io, fmt::format("cannot lock {}: {}", path, std::strerror(errno)));
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorKind::unavailable,
                  fmt::format("the spool is in use by {}: stop it, or give this one another spool.directory "
                              "(lock file {})",
                              holder_of(fd), path));
    }
    if (!told && on_wait) {
      on_wait(fmt::format("the spool is in use by {}: waiting up to {} s for it to leave", holder_of(fd),
                          std::chrono::duration_cast<std::chrono::seconds>(wait).count()));
    }
    told = true;
    std::this_thread::sleep_for(kLockPoll);
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    return fail(ErrorKind::io, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
  return lock;
}

std::optional<std::string> LockFile::holder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return std::nullopt;
  std::optional<std::string> who;
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) who = holder_of(fd);
  ::close(fd);
  return who;
}

LockFile::~LockFile() {
  [[maybe_unused]] const int emptied = ::ftruncate(fd_, 0);  // the kernel gives up the lock in any case
  ::close(fd_);
}

}  // namespace spanferry::spool
