#include "spool/hot_records.hpp"

namespace spanferry::spool {

std::size_t memory_of(const Record& record) { return record.payload->capacity() + kHotRecordOverheadBytes; }

void HotRecords::publish(std::vector<Record> records, const Boundary& end) {
  std::vector<Record> evicted;  // declared before the lock: freed after it is given up
  const std::scoped_lock lock(mutex_);
  for (auto& record : records) {
    bytes_ += memory_of(record);
    records_.push_back(std::move(record));
  }
  end_ = end;
  while (bytes_ > max_bytes_ || records_.size() > kHotRecords) {
    bytes_ -= memory_of(records_.front());
    evicted.push_back(std::move(records_.front()));
    records_.pop_front();
  }
}

void HotRecords::limit(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  max_bytes_ = bytes;
}

void HotRecords::restart(const Boundary& end) {
  const std::scoped_lock lock(mutex_);
  records_.clear();
  bytes_ = 0;
  end_ = end;
}

Boundary HotRecords::end() const {
  const std::scoped_lock lock(mutex_);
  return end_;
}

Boundary HotRecords::first() const {
  const std::scoped_lock lock(mutex_);
  if (records_.empty()) return end_;
  const Record& record = records_.front();
  return {record.seq, record.header.records_before, record.header.spans_before};
}

bool HotRecords::read(Seq from, std::size_t max_bytes, std::size_t max_records, ReadBatch& batch) const {
  const std::scoped_lock lock(mutex_);
  if (from < first_seq() || from >= end_.seq) return false;
  std::size_t bytes = 0;
  for (std::size_t i = from - first_seq(); i < records_.size() && batch.records.size() < max_records; ++i) {
    bytes += records_[i].payload->size();
    if (bytes > max_bytes && !batch.records.empty()) break;
    batch.records.push_back(records_[i]);
    batch.next = records_[i].seq + 1;
  }
  return true;
}

std::optional<Record> HotRecords::get(Seq seq) const {
  const std::scoped_lock lock(mutex_);
  if (seq < first_seq() || seq >= end_.seq) return std::nullopt;
  return records_[seq - first_seq()];
}

}  // namespace spanferry::spool
