#include "spool/parked.hpp"

#include "model/crc32c.hpp"

namespace spanferry::spool {

Parked parked_part(const Record& record, const TraceId& trace, std::uint32_t spans,
                   std::shared_ptr<const std::string> payload) {
  Parked part{{trace, record.seq, SpanId{}}, record.header, std::move(payload)};
  part.header.span_count = spans;
  part.header.records_before = part.header.spans_before = 0;
  part.header.trace_count = trace.is_zero() ? 0 : 1;
  part.header.only_trace.reset();
  if (!trace.is_zero()) part.header.only_trace = trace;
  return part;
}

Parked parked_letter(DeadLetter letter) {
  Record record;
  record.seq = letter.seq;
  record.header.kind = letter.kind;
  record.header.received_ns = letter.received_ns;
  record.header.route = std::move(letter.route);
  Parked part = parked_part(record, letter.trace_id, letter.spans,
                            std::make_shared<const std::string>(std::move(letter.payload)));
  part.key.span = letter.span_id;
  return part;
}

std::string encode_parked(const Parked& part) {
  EncodedHeader encoded;
  encoded.header = part.header;
  encoded.payload_bytes = encoded.stored_bytes = static_cast<std::uint32_t>(part.payload->size());
  encoded.payload_checksum = crc32c(*part.payload);
  std::string value;
  encode_record_header(encoded, value);
  return value.append(*part.payload);
}

Result<Parked> decode_parked(const ParkedKey& key, std::string_view value) {
  std::string_view payload;
  auto header = decode_record_header(value, &payload);
  if (!header) return std::unexpected(header.error());
  return Parked{key, std::move(header->header), std::make_shared<const std::string>(payload)};
}

}  // namespace spanferry::spool
