#include "ingest/token.hpp"

#include <spdlog/spdlog.h>

#include "net/secret_file.hpp"

namespace spanferry::ingest {
namespace {

Result<std::string> read_token(const std::string& path) {
  auto token = net::read_secret(path);
  if (!token) return std::unexpected(token.error().in("listen.token_file"));
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
  file->version_ = net::secret_version(file->path_);
  auto token = read_token(file->path_);
  if (!token) return std::unexpected(std::move(token.error()));
  file->token_ = std::move(*token);
  return file;
}

void TokenFile::refresh(Clock::time_point now) {
  if (now < next_look_) return;
  next_look_ = now + std::chrono::seconds(1);
  std::string version = net::secret_version(path_);
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
  if (authorization.size() < kScheme.size() ||
      authorization.size() > net::kMaxSecretFileBytes + kScheme.size())
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
