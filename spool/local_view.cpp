#include "spool/local_view.hpp"

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "spool/coding.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"
#include "spool/summary.hpp"

namespace spanferry::spool {
namespace {

rocksdb::WriteOptions derived() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return options;
}

// All there is of a trace: its summaries in every record the index still names.
void complete(Store& store, TraceSummary& summary, Seq not_before, Seq end) {
  const std::unique_ptr<rocksdb::Iterator> it(
      store.db().NewIterator(rocksdb::ReadOptions(), store.family(Family::index)));
  std::size_t records = 0;
  for (it->Seek(index_key(summary.trace_id, not_before)); it->Valid() && records < kMaxRecordsOfTrace;
       it->Next()) {
    const auto seq = parse_index_key(view(it->key()), summary.trace_id);
    if (!seq || *seq >= end) break;
    ++records;
    if (*seq >= summary.first_seq && *seq <= summary.last_seq) continue;
    std::string value;
    const auto key = summary_key(*seq, summary.trace_id);
    if (!store.db().Get(rocksdb::ReadOptions(), store.family(Family::traces), key, &value).ok()) continue;
    if (const auto other = decode_summary(*seq, summary.trace_id, value)) merge(summary, *other);
  }
}

// Summaries by trace, in the order they were met.
class Merged {
 public:
  void add(TraceSummary summary) {
    const auto [it, inserted] = place_.try_emplace(summary.trace_id, all_.size());
    if (inserted) {
      all_.push_back(std::move(summary));
    } else {
      merge(all_[it->second], summary);
    }
  }
  [[nodiscard]] bool has(const TraceId& trace) const { return place_.contains(trace); }
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  std::vector<TraceSummary>& all() { return all_; }

 private:
  std::vector<TraceSummary> all_;
  std::unordered_map<TraceId, std::size_t> place_;
};

}  // namespace

void LocalView::restart() {
  const auto store = parts_.store.access();
  if (!store) return;
  std::string value;
  const auto got =
      store->db().Get(rocksdb::ReadOptions(), store->family(Family::traces), view_cursor_key(), &value);
  Seq next = 0;
  if (got.ok()) next = Decoder(value).varint();
  next_ = std::clamp<Seq>(next, parts_.place.first().seq, parts_.hot.end().seq);
}

bool LocalView::step() {
  const Seq from = std::max(next_.load(), parts_.place.first().seq);
  if (from >= parts_.hot.end().seq) return false;
  auto batch = parts_.read(from, kViewStepBytes, kViewStepRecords);
  if (!batch) return false;
  const auto store = parts_.store.access();
  if (!store) return false;
  rocksdb::WriteBatch write;
  auto* family = store->family(Family::traces);
  for (const auto& record : batch->records) {
    for (const auto& summary : summarize(record)) {
      write.Put(family, summary_key(record.seq, summary.trace_id), encode(summary)).PermitUncheckedError();
    }
  }
  const Seq next = std::max(batch->next, from + (batch->records.empty() && batch->gaps.empty() ? 1 : 0));
  std::string cursor;
  put_varint(cursor, next);
  write.Put(family, view_cursor_key(), cursor).PermitUncheckedError();
  const auto writing = parts_.store.writing();
  if (!writing || !store->db().Write(derived(), &write).ok()) return false;
  next_ = next;
  return next < parts_.hot.end().seq;
}

// The newest records the view has not come to yet.
Result<> LocalView::collect_tail(Seq before, std::vector<TraceSummary>& found) const {
  const Seq next = next_.load();
  if (before <= next) return {};
  Seq from = std::max(next, before > kMaxTailRecords ? before - kMaxTailRecords : 0);
  while (from < before) {
    auto batch = parts_.read(from, kViewStepBytes, before - from);
    if (!batch) return std::unexpected(batch.error());
    for (const auto& record : batch->records) {
      if (record.seq >= before) return {};
      for (auto& summary : summarize(record)) found.push_back(std::move(summary));
    }
    if (batch->next <= from) break;
    from = batch->next;
  }
  return {};
}

Result<std::vector<TraceSummary>> LocalView::list(std::size_t limit, Seq before_seq) const {
  limit = std::min(limit, kMaxListedTraces);
  const Seq end = parts_.hot.end().seq;
  const Seq before = before_seq == 0 ? end : std::min(before_seq, end);
  std::vector<TraceSummary> tail;
  if (auto collected = collect_tail(before, tail); !collected) return std::unexpected(collected.error());
  Merged merged;
  for (auto it = tail.rbegin(); it != tail.rend(); ++it) merged.add(std::move(*it));

  const auto store = parts_.store.access();
  if (!store) return store_is_closed();
  const Seq kept = parts_.positions.summaries;
  std::size_t visited = 0;
  const std::unique_ptr<rocksdb::Iterator> it(
      store->db().NewIterator(rocksdb::ReadOptions(), store->family(Family::traces)));
  for (it->SeekForPrev(summary_key(before - 1, TraceId{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}));
       it->Valid() && merged.size() < limit && visited < kMaxVisitedSummaries; it->Prev(), ++visited) {
    const auto place = parse_summary_key(view(it->key()));
    if (!place || place->seq < kept) break;
    if (merged.has(place->trace)) continue;
    if (auto summary = decode_summary(place->seq, place->trace, view(it->value())))
      merged.add(std::move(*summary));
  }
  auto& all = merged.all();
  if (all.size() > limit) all.resize(limit);
  for (auto& summary : all) complete(*store, summary, kept, end);
  std::sort(all.begin(), all.end(),
            [](const TraceSummary& a, const TraceSummary& b) { return a.last_seq > b.last_seq; });
  return std::move(all);
}

}  // namespace spanferry::spool
