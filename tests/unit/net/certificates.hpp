// A certificate authority of the test's own, and certificates by it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace spanferry::testing {

struct Certificate {
  std::string certificate_pem, key_pem;
};

class Authority {
 public:
  Authority();
  // For `host` (an IP address or a name), valid from and until so many seconds from now.
  Certificate issue(const std::string& host, long from_s = -3600, long until_s = 3600);
  [[nodiscard]] const std::string& pem() const { return pem_; }

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  std::string pem_;
};

}  // namespace spanferry::testing
