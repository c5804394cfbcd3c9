#include "ingest/token.hpp"

#include <algorithm>
#include <optional>

#include <spdlog/spdlog.h>

#include "model/ids.hpp"
#include "net/secret_file.hpp"

namespace spanferry::ingest {
namespace {

Result<std::string> read_token(const std::string& path) {
  auto token = net::read_secret(path);
  if (!token) return std::unexpected(token.error().in("listen.token_file"));
  return token;
}

// What follows a scheme, which is compared without case.
std::optional<std::string_view> after_scheme(std::string_view authorization, std::string_view scheme) {
  const auto same = [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  };
  if (authorization.size() < scheme.size() ||
      !std::ranges::equal(authorization.substr(0, scheme.size()), scheme, same))
    return std::nullopt;
  authorization.remove_prefix(scheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return authorization;
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
  // base64 makes four bytes of three, and there is a user name.
  if (authorization.size() > 2 * net::kMaxSecretFileBytes) return false;
  if (const auto token = after_scheme(authorization, "bearer ")) return same_secret(token_, *token);
  const auto pair = after_scheme(authorization, "basic ");
  if (!pair) return false;
  const auto decoded = base64_decode(*pair);
  if (!decoded) return false;
  const auto colon = decoded->find(':');
  return colon != std::string::npos && same_secret(token_, std::string_view(*decoded).substr(colon + 1));
}

}  // namespace spanferry::ingest
