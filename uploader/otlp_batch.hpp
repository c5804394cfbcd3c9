// A batch on its way to an OTLP endpoint: records of one experiment, laid end to end (protobuf concatenation
// merges ExportTraceServiceRequests), compressed once, so that every retry is the same byte for byte.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/record.hpp"
#include "spool/parked.hpp"

namespace spanferry::uploader {

// What of a record is still to be delivered.
struct Item {
  Record record;
  std::shared_ptr<const std::string> payload;  // the record's, or what a partly settled record has left
  std::uint32_t spans = 0;                     // in `payload`
  std::optional<spool::Parked> parked{};       // where it stands, unless in the log
};

struct Body {
  std::vector<std::shared_ptr<const std::string>> pieces;
  bool gzipped = false;
};

// Lives on one thread.
class BodyEncoder {
 public:
  explicit BodyEncoder(bool gzip);
  ~BodyEncoder();
  BodyEncoder(const BodyEncoder&) = delete;
  BodyEncoder& operator=(const BodyEncoder&) = delete;

  Body encode(std::span<const Item> items);
  Body encode(std::string payload);

 private:
  Body compressed(std::vector<std::shared_ptr<const std::string>> pieces);

  struct Compressor;
  std::unique_ptr<Compressor> compressor_;  // null: no compression
};

// partial_success of an ExportTraceServiceResponse in either encoding; zero if there is none.
struct PartialSuccess {
  std::uint64_t rejected_spans = 0;
  std::string message;
};
PartialSuccess parse_partial_success(std::string_view body, bool is_json);

}  // namespace spanferry::uploader
