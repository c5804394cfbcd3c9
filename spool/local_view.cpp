#include "spool/local_view.hpp"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "spool/coding.hpp"
#include "spool/each_summary.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"
#include "spool/summary.hpp"

namespace spanferry::spool {
namespace {

constexpr TraceId kLastTrace{
    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

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
  const Seq first = summary.first_seq, last = summary.last_seq;  // what is in it already
  for (it->Seek(index_key(summary.trace_id, not_before)); it->Valid() && records < kMaxRecordsOfTrace;
       it->Next()) {
    const auto seq = parse_index_key(view(it->key()), summary.trace_id);
    if (!seq || *seq >= end) break;
    ++records;
    if (*seq >= first && *seq <= last) continue;
    summary.last_seq = std::max(summary.last_seq, *seq);
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
  newest_.forget();
  const auto store = parts_.store.access();
  if (!store) return;
  std::string value;
  const auto got =
      store->db().Get(rocksdb::ReadOptions(), store->family(Family::traces), view_cursor_key(), &value);
  Seq next = 0;
  if (got.ok()) {
    Decoder in(value);
    next = in.varint();
    // What an earlier version has written is written anew, as far as the records are still there.
    if (in.at_end() || in.varint() != kSummaryFormat) next = 0;
  }
  next_ = std::clamp<Seq>(next, parts_.place.first().seq, parts_.hot.end().seq);
}

bool LocalView::step() {
  newest_.forget_unused(kSearchedKept);
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
  put_varint(cursor, kSummaryFormat);
  write.Put(family, view_cursor_key(), cursor).PermitUncheckedError();
  const auto writing = parts_.store.writing();
  if (!writing || !store->db().Write(derived(), &write).ok()) return false;
  next_ = next;
  return next < parts_.hot.end().seq;
}

// Of the records the view has not come to yet, those from `from` on.
Result<bool> LocalView::collect_tail(Seq from, Seq before, std::vector<TraceSummary>& found) const {
  while (from < before) {
    auto batch = parts_.read(from, kViewStepBytes, before - from);
    if (!batch) return std::unexpected(batch.error());
    for (const auto& record : batch->records) {
      if (record.seq >= before) return true;
      for (auto& summary : summarize(record)) found.push_back(std::move(summary));
    }
    if (batch->next <= from) break;
    from = batch->next;
  }
  return from >= before;
}

Result<std::vector<TraceSummary>> LocalView::list(std::size_t limit, Seq before_seq) const {
  limit = std::min(limit, kMaxListedTraces);
  const Seq end = parts_.hot.end().seq;
  const Seq before = before_seq == 0 ? end : std::min(before_seq, end);
  std::vector<TraceSummary> tail;
  const Seq from = std::max(next_.load(), before > kMaxTailRecords ? before - kMaxTailRecords : 0);
  if (auto collected = collect_tail(from, before, tail); !collected)
    return std::unexpected(collected.error());
  Merged merged;
  for (auto it = tail.rbegin(); it != tail.rend(); ++it) merged.add(std::move(*it));

  const auto store = parts_.store.access();
  if (!store) return store_is_closed();
  const Seq kept = parts_.positions.summaries;
  auto& all = merged.all();
  for (auto& summary : all) complete(*store, summary, kept, end);
  std::unordered_set<TraceId> hidden;
  const auto hide = [&hidden, before](const TraceSummary& summary) {
    const bool on_earlier_page = summary.last_seq >= before;
    const bool hides = on_earlier_page || !is_there(summary);
    if (hides) hidden.insert(summary.trace_id);
    return hides;
  };
  std::size_t shown = 0;
  for (const auto& summary : all) shown += hide(summary) ? 0 : 1;
  std::size_t visited = 0;
  const std::unique_ptr<rocksdb::Iterator> it(
      store->db().NewIterator(rocksdb::ReadOptions(), store->family(Family::traces)));
  for (it->SeekForPrev(summary_key(before - 1, kLastTrace));
       it->Valid() && shown < limit && visited < kMaxVisitedSummaries; it->Prev(), ++visited) {
    const auto place = parse_summary_key(view(it->key()));
    if (!place || place->seq < kept) break;
    if (merged.has(place->trace) || hidden.contains(place->trace)) continue;
    auto summary = decode_summary(place->seq, place->trace, view(it->value()));
    if (!summary) continue;
    complete(*store, *summary, kept, end);
    if (hide(*summary)) continue;
    merged.add(std::move(*summary));
    ++shown;
  }
  std::erase_if(all, [&hidden](const TraceSummary& summary) { return hidden.contains(summary.trace_id); });
  if (all.size() > limit) all.resize(limit);
  std::sort(all.begin(), all.end(),
            [](const TraceSummary& a, const TraceSummary& b) { return a.last_seq > b.last_seq; });
  return std::move(all);
}

Result<std::optional<TraceSummary>> LocalView::summary_of(const TraceId& trace) const {
  const Seq end = parts_.hot.end().seq;
  std::optional<TraceSummary> found;
  std::vector<Seq> not_yet;
  {
    const auto store = parts_.store.access();
    if (!store) return store_is_closed();
    const Seq next = next_.load();
    TraceSummary summary;
    summary.trace_id = trace;
    const std::unique_ptr<rocksdb::Iterator> it(
        store->db().NewIterator(rocksdb::ReadOptions(), store->family(Family::index)));
    std::size_t records = 0;
    for (it->Seek(index_key(trace, parts_.positions.summaries)); it->Valid() && records < kMaxRecordsOfTrace;
         it->Next(), ++records) {
      const auto seq = parse_index_key(view(it->key()), trace);
      if (!seq || *seq >= end) break;
      if (*seq >= next) not_yet.push_back(*seq);
      std::string value;
      if (*seq >= next ||
          !store->db()
               .Get(rocksdb::ReadOptions(), store->family(Family::traces), summary_key(*seq, trace), &value)
               .ok())
        continue;
      if (const auto one = decode_summary(*seq, trace, value)) {
        if (!found) found.emplace(summary);
        merge(*found, *one);
      }
    }
  }
  std::vector<TraceSummary> tail;
  for (const Seq seq : not_yet)
    if (auto collected = collect_tail(seq, seq + 1, tail); !collected)
      return std::unexpected(collected.error());
  for (const TraceSummary& one : tail) {
    if (one.trace_id != trace) continue;
    if (found) {
      merge(*found, one);
    } else {
      found = one;
    }
  }
  return found;
}

Result<> LocalView::glance(const std::function<bool(const TraceGlance&)>& visit) const {
  std::optional<LiveStore::Access> access;
  SummarySource source;
  source.written = next_.load();
  source.store = [&] { return (access.emplace(parts_.store.access())) ? &**access : nullptr; };
  source.read_tail = [this](Seq from, Seq end, const SummarySource::Add& add) -> Result<bool> {
    std::vector<TraceSummary> tail;
    const auto collected = collect_tail(from, end, tail);
    for (const TraceSummary& one : tail) add({one.first_seq, one.trace_id}, encode(one));
    return collected;
  };
  return newest_.each(source, parts_.positions.summaries, parts_.hot.end().seq,
                      [&visit](const SeqAndTrace& place, std::string_view bytes) {
                        const auto glance = glance_at(place.seq, place.trace, bytes);
                        return !glance || visit(*glance);
                      });
}

}  // namespace spanferry::spool
