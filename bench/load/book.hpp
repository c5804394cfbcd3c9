// What a backend received, span by span, and how that compares with what was acknowledged.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "bench/load/ledger.hpp"
#include "bench/load/numbered_id.hpp"

namespace spanferry::bench {

struct Comparison {
  std::uint64_t acknowledged = 0;               // spans
  std::uint64_t missing = 0;                    // acknowledged and never delivered
  std::uint64_t duplicates = 0;                 // deliveries beyond the first
  std::uint64_t extra = 0;                      // delivered and never acknowledged (the answer was lost, say)
  std::uint64_t most_often = 0;                 // how often the span delivered most often came (up to 255)
  std::vector<std::uint64_t> missing_requests;  // the first few
};

class Book {
 public:
  // Books every span of an OTLP request. False if the body is not one; what came before the fault stays.
  bool receive(std::string_view request);

  void receive(const TraceId& trace, const SpanId& span);

  [[nodiscard]] std::uint64_t spans() const { return spans_; }
  [[nodiscard]] std::uint64_t repeated_spans() const {
    return repeated_;
  }  // of those, not for the first time
  [[nodiscard]] std::uint64_t foreign_spans() const { return foreign_; }  // not of a load generator
  [[nodiscard]] Comparison compare(const Ledger& ledger) const;

 private:
  struct Run {
    std::uint32_t spans_per_request = 0;
    std::vector<std::uint8_t> times;  // request · spans_per_request + place → deliveries
  };

  void receive_span(std::string_view span);

  std::map<std::uint16_t, Run> runs_;  // by seed
  std::uint64_t spans_ = 0;
  std::uint64_t repeated_ = 0;
  std::uint64_t foreign_ = 0;
};

}  // namespace spanferry::bench
