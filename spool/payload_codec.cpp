#include "spool/payload_codec.hpp"

#include <new>

#include <spdlog/fmt/fmt.h>
#include <zstd.h>

#include "spool/limits.hpp"

namespace spanferry::spool {
namespace {

constexpr int kLevel = 1;
constexpr std::size_t kKeptBufferBytes = 1U << 20;  // a larger output buffer is given back

}  // namespace

PayloadCompressor::PayloadCompressor() : context_(ZSTD_createCCtx()) {
  if (context_ == nullptr) throw std::bad_alloc();
}

PayloadCompressor::~PayloadCompressor() { ZSTD_freeCCtx(static_cast<ZSTD_CCtx*>(context_)); }

std::string_view PayloadCompressor::compress(std::string_view payload, bool* is_zstd) {
  *is_zstd = false;
  if (payload.size() < kCompressFromBytes) return payload;
  const std::size_t worth_it = payload.size() - payload.size() / 10;
  if (out_.size() < worth_it || out_.size() > kKeptBufferBytes) {
    out_.resize(worth_it);
    out_.shrink_to_fit();
  }
  // The room is what makes it pay: what does not fit is stored as it is.
  const std::size_t n = ZSTD_compressCCtx(static_cast<ZSTD_CCtx*>(context_), out_.data(), worth_it,
                                          payload.data(), payload.size(), kLevel);
  if (ZSTD_isError(n) != 0) return payload;
  *is_zstd = true;
  return {out_.data(), n};
}

Result<Record> decode_record(Seq seq, std::string_view value) {
  std::string_view stored;
  auto encoded = decode_record_header(value, &stored);
  if (!encoded) return std::unexpected(encoded.error().in(fmt::format("record {}", seq)));
  std::string payload;
  if (encoded->payload_is_zstd) {
    payload.resize(encoded->payload_bytes);
    const std::size_t n = ZSTD_decompress(payload.data(), payload.size(), stored.data(), stored.size());
    if (ZSTD_isError(n) != 0 || n != payload.size()) {
      return fail(ErrorKind::damaged, fmt::format("record {}: its payload does not decompress", seq));
    }
  } else {
    payload = stored;
  }
  return Record{seq, std::move(encoded->header), std::make_shared<const std::string>(std::move(payload))};
}

}  // namespace spanferry::spool
