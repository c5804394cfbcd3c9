#include "ingest/token.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "ingest/limits.hpp"

namespace spanferry::ingest {
namespace {

// What tells one content of a path from another: a secret is replaced by renaming or by a symlink.
std::string version_of(const std::string& path) {
  struct stat st{};
  if (stat(path.c_str(), &st) != 0) return {};
  return fmt::format("{}:{}:{}:{}.{}", st.st_dev, st.st_ino, st.st_size, st.st_mtim.tv_sec,
                     st.st_mtim.tv_nsec);
}

Result<std::string> read_token(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return fail(ErrorKind::configuration,
                fmt::format("listen.token_file: cannot read {}: {}", path, std::strerror(errno)));
  }
  std::string token(kMaxTokenBytes + 1, '\0');
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<std::size_t>(file.gcount()));
  while (!token.empty() && std::string_view(" \t\r\n").contains(token.back())) token.pop_back();
  if (token.empty())
    return fail(ErrorKind::configuration, fmt::format("listen.token_file: {} is empty", path));
  if (token.size() > kMaxTokenBytes) {
    return fail(ErrorKind::configuration,
                fmt::format("listen.token_file: {} is larger than {} bytes", path, kMaxTokenBytes));
  }
  return token;
}

}  // namespace

bool same_secret(std::string_view secret, std::string_view text) {
  unsigned difference = secret.size() == text.size() ? 0 : 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char mine = secret.empty() ? '\0' : secret[i % secret.size()];
    difference |= static_cast<unsigned char>(mine) ^ static_cast<unsigned char>(text[i]);
  }
  return difference == 0;
}

Result<std::unique_ptr<TokenFile>> TokenFile::open(std::string path) {
  std::unique_ptr<TokenFile> file(new TokenFile(std::move(path)));
  file->version_ = version_of(file->path_);
  auto token = read_token(file->path_);
  if (!token) return std::unexpected(std::move(token.error()));
  file->token_ = std::move(*token);
  return file;
}

void TokenFile::refresh(Clock::time_point now) {
  if (now < next_look_) return;
  next_look_ = now + std::chrono::seconds(1);
  std::string version = version_of(path_);
  if (version == version_) return;
  auto token = read_token(path_);
  if (token) {
    token_ = std::move(*token);
    version_ = std::move(version);
    told_unreadable_ = false;
    spdlog::info("listen.token_file: took the new token in {}", path_);
  } else if (!told_unreadable_) {
    told_unreadable_ = true;
    spdlog::warn("{}; the token read before stays in force", token.error().sentence);
  }
}

bool TokenFile::allows(std::string_view authorization, Clock::time_point now) {
  refresh(now);
  static constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size() || authorization.size() > kMaxTokenBytes + kScheme.size())
    return false;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != kScheme[i]) return false;
  }
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return same_secret(token_, authorization);
}

}  // namespace spanferry::ingest
