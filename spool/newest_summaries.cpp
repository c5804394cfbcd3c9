#include "spool/newest_summaries.hpp"

#include <algorithm>
#include <memory>
#include <ranges>
#include <string>
#include <vector>

#include "spool/limits.hpp"

namespace spanferry::spool {
namespace {

constexpr TraceId kLastTrace{
    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

// Copies of the summaries of a few records.
class Stretch {
 public:
  // False: it has no room for them all.
  bool read(rocksdb::Iterator& it, Seq from, Seq end) {
    bytes_.clear();
    entries_.clear();
    for (it.Seek(log_key(from)); it.Valid(); it.Next()) {
      const auto place = parse_summary_key(view(it.key()));
      if (!place) continue;
      if (place->seq >= end) break;
      if (bytes_.size() + it.value().size() > kStretchBytes) return false;
      entries_.push_back({*place, bytes_.size(), it.value().size()});
      bytes_.append(it.value().data(), it.value().size());
    }
    return true;
  }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] bool is_small() const { return bytes_.size() < kStretchBytes / 4; }
  bool tell(const VisitSummaryBytes& visit) const {
    return std::ranges::all_of(entries_ | std::views::reverse, [&](const Entry& one) {
      return visit(one.place, std::string_view(bytes_).substr(one.at, one.size));
    });
  }

 private:
  struct Entry {
    SeqAndTrace place;
    std::size_t at, size;
  };
  std::string bytes_;
  std::vector<Entry> entries_;
};

// One record whose summaries are more than a stretch.
bool tell_backwards(rocksdb::Iterator& it, Seq seq, const VisitSummaryBytes& visit) {
  for (it.SeekForPrev(summary_key(seq, kLastTrace)); it.Valid(); it.Prev()) {
    const auto place = parse_summary_key(view(it.key()));
    if (!place || place->seq != seq) break;
    if (!visit(*place, view(it.value()))) return false;
  }
  return true;
}

// One past the last record before `end` that has summaries; 0: there is none.
Seq end_before(rocksdb::Iterator& it, Seq end) {
  it.SeekForPrev(summary_key(end - 1, kLastTrace));
  const auto place = it.Valid() ? parse_summary_key(view(it.key())) : std::nullopt;
  return place ? place->seq + 1 : 0;
}

}  // namespace

void each_newest_first(Store& store, Seq kept, Seq end, const VisitSummaryBytes& visit) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // more than it holds; the records of what is found need it
  options.readahead_size = kGlanceReadAhead;
  const std::unique_ptr<rocksdb::Iterator> it(store.db().NewIterator(options, store.family(Family::traces)));
  kept = std::max<Seq>(kept, 1);  // 0 is the view's cursor
  Stretch stretch;
  Seq width = kFirstStretchRecords;
  while (end > kept) {
    const Seq from = end - std::min(width, end - kept);
    if (!stretch.read(*it, from, end)) {
      width = (end - from) / 2;
      if (width > 0) continue;
      width = 1;
      if (!tell_backwards(*it, from, visit)) return;
    } else if (stretch.empty()) {
      end = end_before(*it, from);
      continue;
    } else {
      if (!stretch.tell(visit)) return;
      if (stretch.is_small()) width = std::min(width * 2, kMostStretchRecords);
    }
    end = from;
  }
}

}  // namespace spanferry::spool
