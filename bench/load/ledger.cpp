#include "bench/load/ledger.hpp"

#include <fstream>

#include <fmt/format.h>

#include "bench/load/numbered_id.hpp"

namespace spanferry::bench {

void Ledger::acknowledge(std::uint64_t request) {
  if (request >= acknowledged_.size()) acknowledged_.resize(request + 1);
  if (!acknowledged_[request]) ++count_;
  acknowledged_[request] = true;
}

Result<> Ledger::write(const std::string& file) const {
  std::ofstream out(file, std::ios::trunc);
  out << "spanferry-ledger 1 " << seed_ << ' ' << spans_per_request_ << '\n';
  for (std::uint64_t first = 0; first < end(); ++first) {
    if (!acknowledged_[first]) continue;
    std::uint64_t last = first;
    while (holds(last + 1)) ++last;
    out << first << ' ' << last << '\n';
    first = last;
  }
  out.close();
  if (!out) return fail(ErrorKind::io, fmt::format("{}: the ledger could not be written", file));
  return {};
}

Result<Ledger> Ledger::read(const std::string& file) {
  constexpr std::uint64_t kMostRequests = 1ULL << 32;
  std::ifstream in(file);
  std::string magic;
  int version = 0;
  std::uint16_t seed = 0;
  std::uint32_t spans = 0;
  in >> magic >> version >> seed >> spans;
  if (!in || magic != "spanferry-ledger" || version != 1 || spans == 0 || spans > kMaxSpansPerRequest) {
    return fail(ErrorKind::invalid_input, fmt::format("{} is not a ledger of version 1", file));
  }
  Ledger ledger(seed, spans);
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  while (in >> first >> last) {
    if (first > last || last >= kMostRequests) {
      return fail(ErrorKind::invalid_input,
                  fmt::format("{}: {} {} is not a range of requests", file, first, last));
    }
    for (std::uint64_t n = first; n <= last; ++n) ledger.acknowledge(n);
  }
  return ledger;
}

}  // namespace spanferry::bench
