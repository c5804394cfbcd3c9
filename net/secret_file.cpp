#include "net/secret_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace spanferry::net {
namespace {

std::unexpected<Error> unreadable(const std::string& path, int error) {
  if (error == ENOENT)
    return fail(ErrorKind::configuration, fmt::format("{} is not there (or points to nothing)", path));
  if (error == EACCES)
    return fail(ErrorKind::configuration,
                fmt::format("{} may not be read by this user (uid {}); give it to this user or to one of its "
                            "groups",
                            path, ::geteuid()));
  return fail(ErrorKind::configuration, fmt::format("{} cannot be read: {}", path, std::strerror(error)));
}

// Up to one byte more than may be there, so that too much is seen.
Result<std::string> read_open(int fd, const std::string& path) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return unreadable(path, errno);
  if (!S_ISREG(info.st_mode))
    return fail(ErrorKind::configuration, fmt::format("{} is not a regular file", path));
  std::string text(kMaxSecretFileBytes + 1, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const ssize_t n = ::read(fd, text.data() + used, text.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return unreadable(path, errno);
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  text.resize(used);
  return text;
}

}  // namespace

Result<std::string> read_secret_text(const std::string& path) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return unreadable(path, errno);
  auto text = read_open(fd, path);
  ::close(fd);
  if (!text) return text;
  if (text->size() > kMaxSecretFileBytes)
    return fail(ErrorKind::configuration,
                fmt::format("{} is larger than {} bytes, so hardly a secret", path, kMaxSecretFileBytes));
  constexpr std::string_view kSpace = " \t\r\n";
  const auto from = text->find_first_not_of(kSpace);
  if (from == std::string::npos) return fail(ErrorKind::configuration, fmt::format("{} is empty", path));
  return text->substr(from, text->find_last_not_of(kSpace) - from + 1);
}

Result<std::string> read_secret(const std::string& path) {
  auto text = read_secret_text(path);
  if (text && std::ranges::any_of(*text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return fail(
        ErrorKind::configuration,
        fmt::format("{} holds more than one line, or control characters; put the secret alone into it",
                    path));
  return text;
}

std::string secret_version(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return fmt::format("{}:{}:{}:{}.{}:{}.{}", info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

}  // namespace spanferry::net
