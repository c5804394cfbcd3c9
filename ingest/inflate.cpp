#include "ingest/inflate.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

namespace spanferry::ingest {
namespace {

inline constexpr std::size_t kFirstOutputBytes = 16U << 10;
inline constexpr int kMaxZstdWindowLog =
    27;  // 128 MiB would be a frame's own wish; what it may take is 2^27 at most

// The output, grown by doubling and never beyond its bound by more than the byte that shows it is passed.
// Where memory is refused it goes on in what it has and only counts: a body beyond the bound must be told so
// for good, not to come back.
class Output {
 public:
  Output(const InflateBounds& bounds, std::size_t compressed) : bounds_(bounds) {
    first_ = std::clamp(compressed * 2, kFirstOutputBytes, std::size_t{1} << 20);
  }
  // Room for at least one byte more.
  Result<> reserve() {
    if (counted_ + size_ > bounds_.max_bytes) return too_large();
    if (size_ < text_.size()) return {};
    if (counting_) {
      counted_ += std::exchange(size_, 0);
      return {};
    }
    const std::uint64_t wanted = text_.empty() ? first_ : text_.size() * std::uint64_t{2};
    const std::uint64_t target = std::min(wanted, bounds_.max_bytes + 1);
    if (bounds_.grow && !bounds_.grow(target - text_.size())) {
      counting_ = true;
      if (text_.empty()) text_.resize(kFirstOutputBytes);
      return reserve();
    }
    text_.resize(target);
    return {};
  }
  [[nodiscard]] char* data() { return text_.data() + size_; }
  [[nodiscard]] std::size_t room() const { return text_.size() - size_; }
  void wrote(std::size_t n) { size_ += n; }
  Result<std::string> finish() {
    if (counted_ + size_ > bounds_.max_bytes) return too_large();
    if (counting_) return fail(ErrorKind::unavailable, "no memory for the inflated body now");
    text_.resize(size_);
    return std::move(text_);
  }

 private:
  [[nodiscard]] std::unexpected<Error> too_large() const {
    return fail(
        ErrorKind::too_large,
        fmt::format("the body inflates to more than listen.max_body_bytes ({} bytes)", bounds_.max_bytes));
  }

  const InflateBounds& bounds_;
  std::size_t first_;
  std::string text_;
  std::size_t size_ = 0;
  bool counting_ = false;
  std::uint64_t counted_ = 0;  // written over already
};

std::unexpected<Error> broken(std::string_view format, std::string_view what) {
  return fail(ErrorKind::invalid_input, fmt::format("the body is not sound {}: {}", format, what));
}

// zlib's state, given back at the end.
class Zlib {
 public:
  explicit Zlib(int window_bits) { ready_ = inflateInit2(&stream_, window_bits) == Z_OK; }
  ~Zlib() {
    if (ready_) inflateEnd(&stream_);
  }
  Zlib(const Zlib&) = delete;
  Zlib& operator=(const Zlib&) = delete;
  [[nodiscard]] bool ready() const { return ready_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

Result<std::string> inflate_zlib(std::string_view body, int window_bits, std::string_view format,
                                 const InflateBounds& bounds) {
  Zlib zlib(window_bits);
  if (!zlib.ready()) return fail(ErrorKind::unavailable, "no memory to inflate now");
  z_stream& z = zlib.stream();
  if (body.size() > std::numeric_limits<uInt>::max())
    return fail(ErrorKind::too_large, "the body is too large");
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  z.avail_in = static_cast<uInt>(body.size());
  Output out(bounds, body.size());
  for (;;) {
    if (auto room = out.reserve(); !room) return std::unexpected(std::move(room.error()));
    const auto offered = static_cast<uInt>(std::min<std::size_t>(out.room(), 1U << 30));
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = offered;
    const int code = ::inflate(&z, Z_NO_FLUSH);
    out.wrote(offered - z.avail_out);
    if (code == Z_STREAM_END) {
      if (z.avail_in == 0) return out.finish();
      // Another member of a gzip file may follow; nothing else may.
      if (window_bits < 16 || inflateReset(&z) != Z_OK) return broken(format, "bytes follow its end");
      continue;
    }
    if (code == Z_BUF_ERROR && z.avail_in == 0) return broken(format, "it is cut short");
    if (code != Z_OK && code != Z_BUF_ERROR) return broken(format, z.msg != nullptr ? z.msg : "damaged data");
    if (code == Z_OK && z.avail_in == 0 && z.avail_out != 0) return broken(format, "it is cut short");
  }
}

// A zlib stream starts with CM = 8 and a header that is a multiple of 31 (RFC 1950); else it is raw deflate,
// which some clients send under that name.
bool looks_like_zlib(std::string_view body) {
  if (body.size() < 2) return false;
  const auto cmf = static_cast<unsigned char>(body[0]), flags = static_cast<unsigned char>(body[1]);
  return (cmf & 0x0f) == 8 && (cmf * 256 + flags) % 31 == 0;
}

Result<std::string> inflate_zstd(std::string_view body, const InflateBounds& bounds) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (!context) return fail(ErrorKind::unavailable, "no memory to inflate now");
  // A frame names the window its reader must hold: bounded by what may come out of it.
  int window_log = 20;
  while (window_log < kMaxZstdWindowLog && (std::uint64_t{1} << window_log) < bounds.max_bytes) ++window_log;
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, window_log);
  ZSTD_inBuffer in{body.data(), body.size(), 0};
  Output out(bounds, body.size());
  std::size_t hint = 1;
  while (in.pos < in.size || hint != 0) {
    if (auto room = out.reserve(); !room) return std::unexpected(std::move(room.error()));
    const std::size_t before = in.pos;
    ZSTD_outBuffer buffer{out.data(), out.room(), 0};
    hint = ZSTD_decompressStream(context.get(), &buffer, &in);
    if (ZSTD_isError(hint) != 0) return broken("zstd", ZSTD_getErrorName(hint));
    out.wrote(buffer.pos);
    const bool stuck = in.pos == before && buffer.pos == 0;
    if (hint != 0 && in.pos == in.size && (stuck || buffer.pos < buffer.size)) {
      return broken("zstd", "it is cut short");
    }
  }
  return out.finish();
}

}  // namespace

std::optional<Coding> coding_of(std::string_view content_encoding) {
  std::string lower(content_encoding.substr(0, 32));
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (lower.empty() || lower == "identity" || lower == "none") return Coding::identity;
  if (lower == "gzip" || lower == "x-gzip") return Coding::gzip;
  if (lower == "deflate") return Coding::deflate;
  if (lower == "zstd") return Coding::zstd;
  return std::nullopt;
}

Result<std::string> inflate(std::string_view body, Coding coding, const InflateBounds& bounds) {
  switch (coding) {
    case Coding::identity:
      return std::string(body);
    case Coding::gzip:
      return inflate_zlib(body, 15 + 16, "gzip", bounds);
    case Coding::deflate:
      return inflate_zlib(body, looks_like_zlib(body) ? 15 : -15, "deflate", bounds);
    case Coding::zstd:
      return inflate_zstd(body, bounds);
  }
  return fail(ErrorKind::internal, "an encoding without a decoder");
}

}  // namespace spanferry::ingest
