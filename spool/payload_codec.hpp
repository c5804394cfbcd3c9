// How a payload is stored: as it is, or compressed where that pays.
#pragma once

#include <string>
#include <string_view>

#include "model/record.hpp"
#include "model/result.hpp"

namespace spanferry::spool {

// Owns the compressor's memory. One thread.
class PayloadCompressor {
 public:
  PayloadCompressor();
  ~PayloadCompressor();
  PayloadCompressor(const PayloadCompressor&) = delete;
  PayloadCompressor& operator=(const PayloadCompressor&) = delete;

  // The bytes to store: zstd if the payload is large enough and shrinks by a tenth, else the payload itself.
  // Valid until the next call; *is_zstd says which.
  std::string_view compress(std::string_view payload, bool* is_zstd);

 private:
  void* context_;  // of zstd
  std::string out_;
};

// A record from its value in the log. Errors: damaged, unsupported.
Result<Record> decode_record(Seq seq, std::string_view value);

}  // namespace spanferry::spool
