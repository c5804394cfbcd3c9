#include "model/record.hpp"

#include <fmt/format.h>

#include "model/crc32c.hpp"

namespace spanferry {
namespace {

// Offsets and flags of docs/spool-format.md, "Record".
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kMaxClientBytes = 64;

constexpr std::uint8_t kRepaired = 1;
constexpr std::uint8_t kZstd = 2;
constexpr std::uint8_t kOnlyTrace = 4;
constexpr std::uint8_t kKnownFlags = kRepaired | kZstd | kOnlyTrace;

template <class Unsigned>
void put(std::string& out, Unsigned value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

void put_string(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

// Takes fields from the front of bytes that passed their checksum; `ok` turns false instead of reading past
// the end, which then can only be a bug of whoever wrote them.
struct Taker {
  std::string_view rest;
  bool ok = true;

  std::string_view bytes(std::size_t n) {
    if (n > rest.size()) {
      ok = false;
      return {};
    }
    const std::string_view taken = rest.substr(0, n);
    rest.remove_prefix(n);
    return taken;
  }
  template <class Unsigned>
  Unsigned number() {
    std::uint64_t value = 0;
    const std::string_view taken = bytes(sizeof(Unsigned));
    for (std::size_t i = 0; i < taken.size(); ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
    }
    return static_cast<Unsigned>(value);
  }
  std::string string() { return std::string(bytes(number<std::uint32_t>())); }
};

bool is_known(RecordKind kind) { return name(kind) != "unknown"; }
bool is_known(Source source) { return name(source) != "unknown"; }

void put_body(const EncodedHeader& encoded, std::string& out) {
  const RecordHeader& header = encoded.header;
  std::uint8_t flags = 0;
  if (header.repaired) flags |= kRepaired;
  if (encoded.payload_is_zstd) flags |= kZstd;
  if (header.only_trace) flags |= kOnlyTrace;
  put(out, static_cast<std::uint8_t>(header.kind));
  put(out, static_cast<std::uint8_t>(header.source));
  put(out, flags);
  put(out, encoded.payload_bytes);
  put(out, encoded.stored_bytes);
  put(out, crc32c_mask(encoded.payload_checksum));
  put(out, static_cast<std::uint64_t>(header.received_ns));
  put(out, header.span_count);
  put(out, header.trace_count);
  put(out, header.records_before);
  put(out, header.spans_before);
  put(out, header.idempotency_id);
  if (header.only_trace) out += header.only_trace->raw();
  put_string(out, header.route.experiment_id);
  put_string(out, header.route.experiment_name);
  put_string(out, header.route.table);
  put_string(out, std::string_view(header.client).substr(0, kMaxClientBytes));
}

Result<EncodedHeader> take_body(Taker& taker) {
  EncodedHeader encoded;
  RecordHeader& header = encoded.header;
  header.kind = static_cast<RecordKind>(taker.number<std::uint8_t>());
  header.source = static_cast<Source>(taker.number<std::uint8_t>());
  const auto flags = taker.number<std::uint8_t>();
  if (!is_known(header.kind)) {
    return fail(ErrorKind::unsupported,
                fmt::format("record of kind {}, which this version does not know", int(header.kind)));
  }
  if (!is_known(header.source) || (flags & ~kKnownFlags) != 0) {
    return fail(ErrorKind::unsupported,
                fmt::format("record with source {} and flags {:#x}, which this version does not know",
                            int(header.source), flags));
  }
  header.repaired = (flags & kRepaired) != 0;
  encoded.payload_is_zstd = (flags & kZstd) != 0;
  encoded.payload_bytes = taker.number<std::uint32_t>();
  encoded.stored_bytes = taker.number<std::uint32_t>();
  encoded.payload_checksum = crc32c_unmask(taker.number<std::uint32_t>());
  header.received_ns = static_cast<std::int64_t>(taker.number<std::uint64_t>());
  header.span_count = taker.number<std::uint32_t>();
  header.trace_count = taker.number<std::uint32_t>();
  header.records_before = taker.number<std::uint64_t>();
  header.spans_before = taker.number<std::uint64_t>();
  header.idempotency_id = taker.number<std::uint64_t>();
  if ((flags & kOnlyTrace) != 0) header.only_trace = TraceId::from_raw(taker.bytes(TraceId::kSize));
  header.route.experiment_id = taker.string();
  header.route.experiment_name = taker.string();
  header.route.table = taker.string();
  header.client = taker.string();
  if (!taker.ok || !taker.rest.empty()) {
    return fail(ErrorKind::damaged, "record header whose fields do not fill its length");
  }
  return encoded;
}

}  // namespace

void encode_record_header(const EncodedHeader& header, std::string& out) {
  const std::size_t start = out.size();
  put(out, kRecordFormatVersion);
  put(out, std::uint32_t{0});  // the length, known below
  put_body(header, out);
  const auto length = static_cast<std::uint32_t>(out.size() - start + kChecksumBytes);
  for (std::size_t i = 0; i < sizeof length; ++i)
    out[start + 1 + i] = static_cast<char>(length >> (8 * i) & 0xff);
  put(out, crc32c_mask(crc32c(std::string_view(out).substr(start))));
}

Result<EncodedHeader> peek_record_header(std::string_view value, std::size_t* header_bytes) {
  Taker start{value};
  const auto version = start.number<std::uint8_t>();
  const auto length = start.number<std::uint32_t>();
  // Length and checksum stand where they stand in every version, so damage and novelty are told apart.
  if (!start.ok || length > value.size() || length < 1 + sizeof length + kChecksumBytes) {
    return fail(ErrorKind::damaged, fmt::format("record header cut short: {} bytes are left", value.size()));
  }
  const std::string_view checked = value.substr(0, length - kChecksumBytes);
  const auto stored = Taker{value.substr(checked.size())}.number<std::uint32_t>();
  if (crc32c_mask(crc32c(checked)) != stored) {
    return fail(ErrorKind::damaged, "record header fails its checksum");
  }
  if (version != kRecordFormatVersion) {
    return fail(ErrorKind::unsupported, fmt::format("record of format version {}; this version reads {}",
                                                    version, kRecordFormatVersion));
  }
  Taker body{checked.substr(1 + sizeof length)};
  if (header_bytes != nullptr) *header_bytes = length;
  return take_body(body);
}

Result<EncodedHeader> decode_record_header(std::string_view value, std::string_view* payload) {
  std::size_t header_bytes = 0;
  auto encoded = peek_record_header(value, &header_bytes);
  if (!encoded) return encoded;
  const std::string_view stored = value.substr(header_bytes);
  if (stored.size() != encoded->stored_bytes) {
    return fail(ErrorKind::damaged, fmt::format("record payload of {} bytes, {} are stored",
                                                encoded->stored_bytes, stored.size()));
  }
  if (crc32c(stored) != encoded->payload_checksum) {
    return fail(ErrorKind::damaged, "record payload fails its checksum");
  }
  *payload = stored;
  return encoded;
}

}  // namespace spanferry
