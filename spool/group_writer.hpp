// Turns one commit group into write batches. Commit thread only.
#pragma once

#include <vector>

#include <rocksdb/write_batch.h>

#include "spool/payload_codec.hpp"
#include "spool/progress.hpp"
#include "spool/spool.hpp"
#include "spool/store.hpp"

namespace spanferry::spool {

struct Append {
  std::vector<Entry> entries;
  AppendHandler done;
  std::size_t bytes = 0;
};

struct Group {
  std::vector<Append> appends;
  std::vector<Appended> places;  // of each append, once written
  std::vector<Record> records;   // as readers will get them
  Boundary end;                  // of the log after this group
  std::uint64_t stored_bytes = 0;
};

// The place of the log in `state`: where it begins and ends.
std::string encode_totals(const Boundary& first, const Boundary& end);
std::optional<std::pair<Boundary, Boundary>> decode_totals(std::string_view bytes);

class GroupWriter {
 public:
  // Writes the group's records behind `group.end`, moving it on. What remains in `last` is the batch to
  // write last; an append is never divided over two batches.
  rocksdb::Status write(Store& store, Group& group, bool compress, rocksdb::WriteBatch& last);

 private:
  rocksdb::Status add(Store& store, Entry& entry, Group& group, rocksdb::WriteBatch& batch);

  PayloadCompressor compressor_;
  bool compress_ = false;  // this group
  std::string header_;
};

// To the WAL's buffer and the memtable; durable only after FlushWAL(true).
rocksdb::Status write_batch(Store& store, rocksdb::WriteBatch& batch);

}  // namespace spanferry::spool
