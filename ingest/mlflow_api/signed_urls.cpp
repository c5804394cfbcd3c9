#include "ingest/mlflow_api/signed_urls.hpp"

#include <array>
#include <charconv>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "ingest/mlflow_api/call.hpp"
#include "model/mlflow_span.hpp"
#include "model/mlflow_write.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::string_view kKey = "mlflow_api/signing_key";
constexpr std::size_t kKeyBytes = 32;
constexpr std::int64_t kLifeMs = 15 * 60 * 1000;

}  // namespace

Result<> UrlSigner::load(spool::Spool& spool) {
  auto kept = spool.load(kKey);
  if (!kept) return std::unexpected(std::move(kept.error()));
  if (*kept && (*kept)->size() == kKeyBytes) {
    key_ = **std::move(kept);
    return {};
  }
  std::array<unsigned char, kKeyBytes> fresh{};
  if (RAND_bytes(fresh.data(), static_cast<int>(fresh.size())) != 1)
    return fail(ErrorKind::internal, "the system has no random bytes for a key");
  key_.assign(fresh.begin(), fresh.end());
  spool.put(std::string(kKey), key_);
  return {};
}

std::string UrlSigner::signature(std::string_view path, Signed what, std::int64_t expires) const {
  const std::string text = fmt::format("{}\n{}\n{}", what == Signed::write ? 'w' : 'r', expires, path);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned bytes = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &bytes);
  return hex_encode({reinterpret_cast<const char*>(digest.data()), bytes});
}

std::string UrlSigner::url(std::string_view host, const SignedFile& file, Signed what,
                           std::int64_t now_ms) const {
  const std::string path =
      fmt::format("{}{}/{}/{}", kStoragePath, file.experiment.empty() ? "0" : file.experiment,
                  mlflow::trace_name_of(file.trace), file.path);
  const std::int64_t expires = now_ms + kLifeMs;
  return fmt::format("http://{}{}?w={}&expires={}&sig={}", host, path, what == Signed::write ? 1 : 0, expires,
                     signature(path, what, expires));
}

std::optional<SignedFile> UrlSigner::check(std::string_view path, std::string_view query, Signed what,
                                           std::int64_t now_ms) const {
  Call call;
  call.query = query;
  const std::string said = call.parameter("expires").value_or("");
  const std::string given = call.parameter("sig").value_or("");
  std::int64_t expires = 0;
  const auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), expires);
  if (error != std::errc() || end != said.data() + said.size() || expires < now_ms) return std::nullopt;
  const std::string right = signature(path, what, expires);
  if (key_.empty() || given.size() != right.size() ||
      CRYPTO_memcmp(given.data(), right.data(), right.size()) != 0)
    return std::nullopt;
  path.remove_prefix(kStoragePath.size());
  const auto slash = path.find('/');
  const auto second = path.find('/', slash + 1);
  if (slash == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto trace = mlflow::parse_trace_id(path.substr(slash + 1, second - slash - 1));
  if (!trace) return std::nullopt;
  return SignedFile{std::string(path.substr(0, slash)), *trace, std::string(path.substr(second + 1))};
}

}  // namespace spanferry::ingest
