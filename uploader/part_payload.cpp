#include "uploader/part_payload.hpp"

#include "model/otlp_scan.hpp"

namespace spanferry::uploader {

Result<std::shared_ptr<const std::string>> part_payload(spool::Spool& spool, const TraceId& trace,
                                                        const TracePart& part) {
  if (part.parked) return part.parked->payload;
  const auto record = spool.get(part.seq);
  if (!record && record.error().kind == ErrorKind::damaged) return nullptr;
  if (!record) return std::unexpected(record.error());
  return *record ? part_payload(**record, trace) : nullptr;
}

std::shared_ptr<const std::string> part_payload(const Record& record, const TraceId& trace) {
  if (record.header.kind != RecordKind::spans) return record.payload;
  return std::make_shared<const std::string>(filter_traces_request(
      *record.payload, [&trace](const TraceId& id, const SpanId&) { return id == trace; }));
}

}  // namespace spanferry::uploader
