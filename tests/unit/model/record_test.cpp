#include "model/record.hpp"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "model/crc32c.hpp"

namespace spanferry {
namespace {

EncodedHeader header_for(std::string_view stored) {
  EncodedHeader encoded;
  encoded.payload_bytes = static_cast<std::uint32_t>(stored.size());
  encoded.stored_bytes = static_cast<std::uint32_t>(stored.size());
  encoded.payload_checksum = crc32c(stored);
  return encoded;
}

EncodedHeader full_header(std::string_view stored) {
  EncodedHeader encoded = header_for(stored);
  encoded.payload_is_zstd = true;
  encoded.payload_bytes = 12345;
  RecordHeader& header = encoded.header;
  header.kind = RecordKind::trace_edit;
  header.source = Source::udp;
  header.repaired = true;
  header.received_ns = 1764000000123456789;
  header.span_count = 7;
  header.trace_count = 1;
  header.records_before = 1ULL << 40;
  header.spans_before = std::numeric_limits<std::uint64_t>::max();
  header.idempotency_id = 0x8000000000000001ULL;
  header.only_trace = TraceId::from_hex("0123456789abcdef0011223344556677");
  header.route = {
      .experiment_id = "42", .experiment_name = "/Shared/ch\xc3\xa4t", .table = "main.a.b_otel_spans"};
  header.client = "OTel-OTLP-Exporter-Python/1.45.2";
  return encoded;
}

std::string record(const EncodedHeader& encoded, std::string_view stored) {
  std::string value;
  encode_record_header(encoded, value);
  return value.append(stored);
}

TEST(Record, ReadsBackEveryFieldItWrote) {
  const std::string stored = "the payload";
  const EncodedHeader in = full_header(stored);
  const std::string value = record(in, stored);
  std::string_view payload;
  const auto out = decode_record_header(value, &payload);
  ASSERT_TRUE(out) << out.error().sentence;
  EXPECT_EQ(payload, stored);
  EXPECT_TRUE(out->payload_is_zstd);
  EXPECT_EQ(out->payload_bytes, 12345U);
  EXPECT_EQ(out->stored_bytes, stored.size());
  EXPECT_EQ(out->payload_checksum, in.payload_checksum);
  EXPECT_EQ(out->header.kind, in.header.kind);
  EXPECT_EQ(out->header.source, in.header.source);
  EXPECT_TRUE(out->header.repaired);
  EXPECT_EQ(out->header.received_ns, in.header.received_ns);
  EXPECT_EQ(out->header.span_count, in.header.span_count);
  EXPECT_EQ(out->header.trace_count, in.header.trace_count);
  EXPECT_EQ(out->header.records_before, in.header.records_before);
  EXPECT_EQ(out->header.spans_before, in.header.spans_before);
  EXPECT_EQ(out->header.idempotency_id, in.header.idempotency_id);
  EXPECT_EQ(out->header.only_trace, in.header.only_trace);
  EXPECT_EQ(out->header.route, in.header.route);
  EXPECT_EQ(out->header.client, in.header.client);
}

TEST(Record, ReadsBackAnEmptyPayloadAndDefaults) {
  const std::string value = record(header_for(""), "");
  std::string_view payload;
  const auto out = decode_record_header(value, &payload);
  ASSERT_TRUE(out) << out.error().sentence;
  EXPECT_TRUE(payload.empty());
  EXPECT_FALSE(out->header.only_trace);
  EXPECT_TRUE(out->header.route.is_default());
}

TEST(Record, IsNeverAcceptedWhenCutOrExtended) {
  const std::string stored = "the payload";
  const std::string value = record(full_header(stored), stored);
  std::string_view payload;
  for (std::size_t n = 0; n < value.size(); ++n) {
    const auto out = decode_record_header(std::string(value, 0, n), &payload);
    ASSERT_FALSE(out) << "cut at " << n;
    EXPECT_EQ(out.error().kind, ErrorKind::damaged) << "cut at " << n;
  }
  EXPECT_FALSE(decode_record_header(value + '\0', &payload));
}

TEST(Record, IsDamagedWhicheverBitFlips) {
  const std::string stored = "the payload";
  std::string value = record(full_header(stored), stored);
  std::string_view payload;
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    const auto mask = static_cast<char>(1 << (bit % 8));
    value[bit / 8] = static_cast<char>(value[bit / 8] ^ mask);
    const auto out = decode_record_header(value, &payload);
    ASSERT_FALSE(out) << "bit " << bit;
    EXPECT_EQ(out.error().kind, ErrorKind::damaged) << "bit " << bit;
    value[bit / 8] = static_cast<char>(value[bit / 8] ^ mask);
  }
  EXPECT_TRUE(decode_record_header(value, &payload));
}

TEST(Record, TellsItsHeaderWhenThePayloadIsDamaged) {
  const std::string stored = "the payload";
  std::string value = record(full_header(stored), stored);
  value.back() ^= 1;
  std::string_view payload;
  ASSERT_FALSE(decode_record_header(value, &payload));
  std::size_t header_bytes = 0;
  const auto out = peek_record_header(value, &header_bytes);
  ASSERT_TRUE(out) << out.error().sentence;
  EXPECT_EQ(out->header.span_count, 7U);
  EXPECT_EQ(header_bytes, value.size() - stored.size());
  value.resize(header_bytes);
  EXPECT_TRUE(peek_record_header(value));
}

// A sound header with one byte replaced, as a later version of this program could write it.
std::string with_header_byte(std::string value, std::size_t offset, char byte, std::size_t payload_bytes) {
  value[offset] = byte;
  const std::size_t checked = value.size() - payload_bytes - 4;
  const std::uint32_t crc = crc32c_mask(crc32c(std::string_view(value).substr(0, checked)));
  for (std::size_t i = 0; i < 4; ++i) value[checked + i] = static_cast<char>(crc >> (8 * i) & 0xff);
  return value;
}

TEST(Record, RefusesWhatALaterVersionMayWriteAsUnsupported) {
  const std::string stored = "the payload";
  const std::string value = record(full_header(stored), stored);
  constexpr std::size_t kVersionAt = 0, kKindAt = 5, kSourceAt = 6, kFlagsAt = 7;
  std::string_view payload;
  for (const auto& [offset, byte] : {std::pair{kVersionAt, 2}, {kKindAt, 8}, {kSourceAt, 9}, {kFlagsAt, 8}}) {
    const auto out = decode_record_header(
        with_header_byte(value, offset, static_cast<char>(byte), stored.size()), &payload);
    ASSERT_FALSE(out) << offset;
    EXPECT_EQ(out.error().kind, ErrorKind::unsupported) << offset << ": " << out.error().sentence;
  }
  EXPECT_TRUE(decode_record_header(with_header_byte(value, kKindAt, 1, stored.size()), &payload));
}

TEST(Record, KeepsSixtyFourBytesOfTheClientsName) {
  EncodedHeader in = header_for("");
  in.header.client = std::string(1000, 'x');
  std::string_view payload;
  const auto out = decode_record_header(record(in, ""), &payload);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->header.client, std::string(64, 'x'));
}

// The worked example of docs/spool-format.md: whoever changes these bytes changes the format.
TEST(Record, IsWrittenAsTheFormatDocumentShows) {
  const std::string stored("\x0a\x00", 2);
  EncodedHeader in = header_for(stored);
  in.header.repaired = true;
  in.header.received_ns = 1764000000000000000;
  in.header.span_count = 1;
  in.header.trace_count = 1;
  in.header.records_before = 41;
  in.header.spans_before = 100;
  in.header.only_trace = TraceId::from_hex("0102030405060708090a0b0c0d0e0f10");
  in.header.route.experiment_id = "7";
  in.header.client = "curl/7.88.1";
  EXPECT_EQ(hex_encode(record(in, stored)),
            "016c0000000101050200000002000000"
            "39818bab0000ca67a7fc7a1801000000"
            "01000000290000000000000064000000"
            "00000000000000000000000001020304"
            "05060708090a0b0c0d0e0f1001000000"
            "3700000000000000000b000000637572"
            "6c2f372e38382e31c6cc2d040a00");
}

TEST(Record, AppendsBehindWhatIsThere) {
  std::string value = "before";
  encode_record_header(header_for(""), value);
  std::string_view payload;
  EXPECT_TRUE(decode_record_header(std::string_view(value).substr(6), &payload));
}

}  // namespace
}  // namespace spanferry
