// Addresses of files at our own door that need no credential: whoever has one may do that one thing for a
// while. A client that believes it talks to a workspace is given them for its uploads. CONTRACT 2.2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/ids.hpp"
#include "model/result.hpp"

namespace spanferry::spool {
class Spool;
}

namespace spanferry::ingest {

inline constexpr std::string_view kStoragePath = "/mlflow-storage/";

enum class Signed : std::uint8_t { read, write };

struct SignedFile {
  std::string experiment;  // digits; empty: not known
  TraceId trace;
  std::string path;  // traces.json, attachments/ID
};

class UrlSigner {
 public:
  // The key is kept in the spool, so that an address holds through a restart: its client would not ask again.
  Result<> load(spool::Spool& spool);

  // http://HOST/mlflow-storage/EXPERIMENT/tr-HEX/PATH?…, good for fifteen minutes.
  [[nodiscard]] std::string url(std::string_view host, const SignedFile& file, Signed what,
                                std::int64_t now_ms) const;
  // What a path (percent-encoding undone) and its query are for; nothing if they were not signed here for
  // that, or are too old.
  [[nodiscard]] std::optional<SignedFile> check(std::string_view path, std::string_view query, Signed what,
                                                std::int64_t now_ms) const;

 private:
  [[nodiscard]] std::string signature(std::string_view path, Signed what, std::int64_t expires) const;

  std::string key_;
};

}  // namespace spanferry::ingest
