#include "spool/log_reader.hpp"

#include <algorithm>
#include <memory>

#include "spool/keys.hpp"
#include "spool/payload_codec.hpp"

namespace spanferry::spool {
namespace {

Boundary before(Seq seq, const RecordHeader& header) {
  return {seq, header.records_before, header.spans_before};
}
Boundary after(Seq seq, const RecordHeader& header) {
  return {seq + 1, header.records_before + 1, header.spans_before + header.span_count};
}

rocksdb::ReadOptions scan_options(const rocksdb::Slice* upper) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // read once, in order
  options.iterate_upper_bound = upper;
  return options;
}

// Walks the log in order; a damaged block costs the records in it, not the rest.
class Walk {
 public:
  Walk(Store& store, Seq from, Seq end)
      : end_(end),
        upper_key_(log_key(end)),
        upper_(upper_key_),
        iterator_(store.db().NewIterator(scan_options(&upper_), store.family(Family::log))) {
    seek(from);
  }

  [[nodiscard]] bool valid() const { return iterator_->Valid(); }
  [[nodiscard]] Seq seq() const { return parse_log_key(view(iterator_->key())).value_or(end_); }
  [[nodiscard]] std::string_view value() const { return view(iterator_->value()); }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  void next() {
    const Seq at = seq();
    iterator_->Next();
    if (!iterator_->Valid() && iterator_->status().IsCorruption()) skip_damage(at + 1);
    note_error();
  }

 private:
  void seek(Seq at) {
    try_at(at);
    if (!iterator_->Valid() && iterator_->status().IsCorruption()) skip_damage(at);
    note_error();
  }

  bool try_at(Seq at) {
    iterator_->Seek(log_key(at));
    return !iterator_->status().IsCorruption();
  }

  // The first readable place after `bad`: strides that double, then halves between.
  void skip_damage(Seq bad) {
    Seq step = 1;
    Seq good = end_;
    while (bad + step < end_) {
      if (try_at(bad + step)) {
        good = bad + step;
        break;
      }
      bad += step;
      step *= 2;
    }
    while (bad + 1 < good) {
      const Seq middle = bad + (good - bad) / 2;
      (try_at(middle) ? good : bad) = middle;
    }
    try_at(good);
  }

  void note_error() {
    if (!iterator_->Valid() && !iterator_->status().ok() && !iterator_->status().IsCorruption()) {
      error_ = error_of(iterator_->status(), "cannot read the log");
    }
  }

  Seq end_;
  std::string upper_key_;
  rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  std::optional<Error> error_;
};

// Collects records and holes in order.
class Collector {
 public:
  Collector(Store& store, const ReadRange& range)
      : store_(store), expected_(range.from), known_(range.known) {
    batch_.next = range.from;
  }

  void add(Record record) {
    hole_up_to(before(record.seq, record.header));
    expected_ = record.seq + 1;
    known_ = after(record.seq, record.header);
    batch_.next = expected_;
    batch_.records.push_back(std::move(record));
  }
  // A record of known size that cannot be read.
  void add_unreadable(Seq seq, const RecordHeader& header) {
    hole_up_to(before(seq, header));
    push_gap({seq, seq, 1, header.span_count});
    expected_ = seq + 1;
    known_ = after(seq, header);
    batch_.next = expected_;
  }
  void hole_up_to(const Boundary& to) {
    if (to.seq <= expected_) return;
    if (!known_) known_ = boundary_after_last(store_, expected_, 0);
    Gap gap{expected_, to.seq - 1, to.seq - expected_, 0};
    if (known_ && known_->records <= to.records && known_->spans <= to.spans) {
      gap.records = to.records - known_->records;
      gap.spans = to.spans - known_->spans;
    }
    push_gap(gap);
    expected_ = batch_.next = to.seq;
    known_ = to;
  }
  ReadBatch& batch() { return batch_; }

 private:
  void push_gap(const Gap& gap) {
    if (!batch_.gaps.empty() && batch_.gaps.back().last + 1 == gap.first) {
      auto& last = batch_.gaps.back();
      last.last = gap.last;
      last.records += gap.records;
      last.spans += gap.spans;
      return;
    }
    batch_.gaps.push_back(gap);
  }

  Store& store_;
  Seq expected_;
  std::optional<Boundary> known_;
  ReadBatch batch_;
};

}  // namespace

Result<ReadBatch> read_log(Store& store, const ReadRange& range) {
  Collector collector(store, range);
  std::size_t bytes = 0;
  Walk walk(store, range.from, range.end.seq);
  for (; walk.valid(); walk.next()) {
    auto& batch = collector.batch();
    if (batch.records.size() >= range.max_records || bytes >= range.max_bytes) return std::move(batch);
    auto record = decode_record(walk.seq(), walk.value());
    if (record) {
      bytes += record->payload->size();
      if (bytes > range.max_bytes && !batch.records.empty()) return std::move(batch);
      collector.add(std::move(*record));
    } else if (record.error().kind == ErrorKind::unsupported) {
      if (batch.records.empty() && batch.gaps.empty()) return std::unexpected(record.error());
      return std::move(batch);
    } else if (const auto header = peek_record_header(walk.value())) {
      collector.add_unreadable(walk.seq(), header->header);
    }
  }
  if (walk.error()) {
    if (collector.batch().records.empty()) return std::unexpected(*walk.error());
    return std::move(collector.batch());
  }
  collector.hole_up_to(range.end);
  return std::move(collector.batch());
}

Result<std::optional<Record>> get_record(Store& store, Seq seq) {
  rocksdb::PinnableSlice value;
  const auto status = store.db().Get(rocksdb::ReadOptions(), store.family(Family::log), log_key(seq), &value);
  if (status.IsNotFound()) return std::optional<Record>{};
  if (!status.ok()) return std::unexpected(error_of(status, "cannot read the log"));
  auto record = decode_record(seq, view(value));
  if (!record) return std::unexpected(record.error());
  return std::optional<Record>(std::move(*record));
}

Result<std::optional<RecordHeader>> get_header(Store& store, Seq seq) {
  rocksdb::PinnableSlice value;
  const auto status = store.db().Get(rocksdb::ReadOptions(), store.family(Family::log), log_key(seq), &value);
  if (status.IsNotFound()) return std::optional<RecordHeader>{};
  if (!status.ok()) return std::unexpected(error_of(status, "cannot read the log"));
  auto header = peek_record_header(view(value));
  if (!header) return std::unexpected(header.error());
  return std::optional<RecordHeader>(std::move(header->header));
}

std::optional<Boundary> boundary_after_last(Store& store, Seq seq, Seq floor) {
  constexpr int kTries = 64;  // damaged neighbours to step over
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(store.db().NewIterator(options, store.family(Family::log)));
  if (seq == 0) return std::nullopt;
  it->SeekForPrev(log_key(seq - 1));
  for (int i = 0; i < kTries && it->Valid(); ++i, it->Prev()) {
    const auto at = parse_log_key(view(it->key()));
    if (!at || *at < floor) return std::nullopt;
    if (const auto header = peek_record_header(view(it->value()))) return after(*at, header->header);
  }
  return std::nullopt;
}

}  // namespace spanferry::spool
