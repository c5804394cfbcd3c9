#include "spool/group_writer.hpp"

#include <array>

#include "model/crc32c.hpp"
#include "spool/coding.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {

std::string encode_totals(const Boundary& first, const Boundary& end) {
  std::string out;
  put_boundary(out, first);
  put_boundary(out, end);
  return out;
}

std::optional<std::pair<Boundary, Boundary>> decode_totals(std::string_view bytes) {
  Decoder in(bytes);
  const Boundary first = take_boundary(in);
  const Boundary end = take_boundary(in);
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return std::pair{first, end};
}

rocksdb::Status write_batch(Store& store, rocksdb::WriteBatch& batch) {
  if (batch.Count() == 0) return rocksdb::Status::OK();
  auto status = store.db().Write(rocksdb::WriteOptions(), &batch);
  batch.Clear();
  return status;
}

rocksdb::Status GroupWriter::write(Store& store, Group& group, bool compress, rocksdb::WriteBatch& last) {
  compress_ = compress;
  for (auto& append : group.appends) {
    if (last.Count() > 0 && last.GetDataSize() + append.bytes > kBatchBytes) {
      if (auto status = write_batch(store, last); !status.ok()) return status;
    }
    Appended place{group.end.seq, group.end.seq};
    for (auto& entry : append.entries) {
      place.last = group.end.seq;
      if (auto status = add(store, entry, group, last); !status.ok()) return status;
    }
    group.places.push_back(place);
  }
  return rocksdb::Status::OK();
}

rocksdb::Status GroupWriter::add(Store& store, Entry& entry, Group& group, rocksdb::WriteBatch& batch) {
  EncodedHeader encoded;
  encoded.header = std::move(entry.header);
  encoded.header.records_before = group.end.records;
  encoded.header.spans_before = group.end.spans;
  std::string_view stored = *entry.payload;
  if (compress_) stored = compressor_.compress(*entry.payload, &encoded.payload_is_zstd);
  encoded.payload_bytes = static_cast<std::uint32_t>(entry.payload->size());
  encoded.stored_bytes = static_cast<std::uint32_t>(stored.size());
  encoded.payload_checksum = crc32c(stored);
  header_.clear();
  encode_record_header(encoded, header_);

  const Seq seq = group.end.seq;
  const std::string key = log_key(seq);
  const std::array<rocksdb::Slice, 1> keys{slice(key)};
  const std::array<rocksdb::Slice, 2> values{slice(header_), slice(stored)};
  auto status = batch.Put(store.family(Family::log), rocksdb::SliceParts(keys.data(), 1),
                          rocksdb::SliceParts(values.data(), 2));
  for (const auto& trace : entry.traces) {
    if (!status.ok()) break;
    status = batch.Put(store.family(Family::index), slice(index_key(trace, seq)), rocksdb::Slice());
  }
  group.stored_bytes += header_.size() + stored.size() + entry.traces.size() * (TraceId::kSize + sizeof(Seq));
  group.end = {seq + 1, group.end.records + 1, group.end.spans + encoded.header.span_count};
  group.records.push_back({seq, std::move(encoded.header), std::move(entry.payload)});
  return status;
}

}  // namespace spanferry::spool
