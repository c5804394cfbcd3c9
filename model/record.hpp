// The record: what the log holds. A versioned, checksummed header and a payload, in one value.
// The bytes are described in docs/spool-format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.hpp"
#include "model/result.hpp"

namespace spanferry {

// A record's place in the log. Starts at 1; 0 means "none".
using Seq = std::uint64_t;

inline constexpr std::uint8_t kRecordFormatVersion = 1;

enum class RecordKind : std::uint8_t {
  spans = 1,            // an OTLP ExportTraceServiceRequest
  trace_info = 2,       // the body of an MLflow StartTrace
  trace_data = 3,       // a traces.json
  trace_edit = 4,       // tags, assessments, feedback by request id
  trace_delete = 5,     // a delete-traces
  experiment_edit = 6,  // experiment create, experiment tags, Unity Catalog locations
  artifact = 7,         // an attachment
};
std::string_view name(RecordKind kind);

// The door a record came in by.
enum class Source : std::uint8_t { http = 1, udp = 2, unix_socket = 3, grpc = 4 };
std::string_view name(Source source);

// Where a record is to go, as far as its sender said; resolved at upload. All empty: the destination's own
// experiment.
struct Route {
  std::string experiment_id;    // digits
  std::string experiment_name;  // a name, or a workspace path
  std::string table;            // a full Unity Catalog spans table

  bool operator==(const Route&) const = default;
  [[nodiscard]] bool is_default() const {
    return experiment_id.empty() && experiment_name.empty() && table.empty();
  }
};

struct RecordHeader {
  RecordKind kind = RecordKind::spans;
  Source source = Source::http;
  bool repaired = false;              // the payload is not byte for byte what the sender sent
  std::int64_t received_ns = 0;       // since the epoch, our clock
  std::uint32_t span_count = 0;       // spans in the payload
  std::uint32_t trace_count = 0;      // distinct traces in the payload
  std::uint64_t records_before = 0;   // records ever appended before this one: set by the log
  std::uint64_t spans_before = 0;     // spans ever appended before this one: set by the log
  std::uint64_t idempotency_id = 0;   // 0: none
  std::optional<TraceId> only_trace;  // when there is just one
  Route route;
  std::string client;  // User-Agent, at most 64 bytes
};

// A record as a reader gets it. The payload is shared with the log's memory of hot records.
struct Record {
  Seq seq = 0;
  RecordHeader header;
  std::shared_ptr<const std::string> payload;  // never null; as it was appended (not compressed)
};

// What of a value is header: everything before the payload. `payload_is_zstd` says how the payload is stored.
struct EncodedHeader {
  RecordHeader header;
  bool payload_is_zstd = false;
  std::uint32_t payload_bytes = 0;  // not compressed
  std::uint32_t stored_bytes = 0;   // as stored after the header
  std::uint32_t payload_checksum = 0;
};

// Appends the header's bytes to `out`; the payload as stored is to follow at once. `stored_bytes` and
// `payload_checksum` (crc32c of the payload as stored) are the caller's to set; `client` is cut at 64 bytes.
void encode_record_header(const EncodedHeader& header, std::string& out);

// Reads the header at the start of `value` and checks header, length and stored payload against their
// checksums; on success *payload is the stored payload inside `value`, which must hold nothing else.
// Errors: damaged (a check fails), unsupported (sound, but a version, kind or flag we do not know).
Result<EncodedHeader> decode_record_header(std::string_view value, std::string_view* payload);

// The header alone: what there is to know of a record whose payload is damaged, cut off or not wanted.
// *header_bytes, if asked for, is where the payload starts. Errors as above, for the header.
Result<EncodedHeader> peek_record_header(std::string_view value, std::size_t* header_bytes = nullptr);

}  // namespace spanferry
