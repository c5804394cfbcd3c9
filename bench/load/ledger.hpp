// The requests of a run that were acknowledged, on disk as text that people and scripts can read:
//
//     spanferry-ledger 1 SEED SPANS_PER_REQUEST
//     FIRST LAST            one line a run of consecutive request numbers
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/result.hpp"

namespace spanferry::bench {

class Ledger {
 public:
  Ledger(std::uint16_t seed, std::uint32_t spans_per_request)
      : seed_(seed), spans_per_request_(spans_per_request) {}

  void acknowledge(std::uint64_t request);
  [[nodiscard]] bool holds(std::uint64_t request) const {
    return request < acknowledged_.size() && acknowledged_[request];
  }
  [[nodiscard]] std::uint64_t end() const { return acknowledged_.size(); }  // none at or beyond it
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint16_t seed() const { return seed_; }
  [[nodiscard]] std::uint32_t spans_per_request() const { return spans_per_request_; }

  [[nodiscard]] Result<> write(const std::string& file) const;
  static Result<Ledger> read(const std::string& file);

 private:
  std::uint16_t seed_;
  std::uint32_t spans_per_request_;
  std::uint64_t count_ = 0;
  std::vector<bool> acknowledged_;
};

}  // namespace spanferry::bench
