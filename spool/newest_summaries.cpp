#include "spool/newest_summaries.hpp"

#include <algorithm>
#include <ranges>
#include <string>

#include "spool/limits.hpp"
#include "spool/live_store.hpp"

namespace spanferry::spool {
namespace {

constexpr TraceId kLastTrace{
    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

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

// Copies of the summaries of a few records, all of each.
class NewestSummaries::Stretch {
 public:
  // RocksDB steps backwards at several times what a step forwards costs. False: it has no room for them all.
  bool read(rocksdb::Iterator& it, Seq from, Seq end) {
    clear();
    for (it.Seek(log_key(from)); it.Valid(); it.Next()) {
      const auto place = parse_summary_key(view(it.key()));
      if (!place) continue;
      if (place->seq >= end) break;
      if (bytes_.size() + it.value().size() > kStretchBytes) return false;
      add(*place, view(it.value()));
    }
    return true;
  }
  void clear() {
    bytes_.clear();
    entries_.clear();
  }
  void add(const SeqAndTrace& place, std::string_view bytes) {
    entries_.push_back(
        {place, static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(bytes.size())});
    bytes_.append(bytes);
  }
  void append(const Stretch& newer) {
    for (const Entry& one : newer.entries_) add(one.place, newer.bytes_of(one));
  }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size() + entries_.size() * sizeof(Entry); }
  [[nodiscard]] bool is_small() const { return bytes_.size() < kStretchBytes / 4; }
  [[nodiscard]] Seq first() const { return entries_.front().place.seq; }
  [[nodiscard]] Seq last() const { return entries_.back().place.seq; }
  // From its end, of the records in [kept, end).
  bool tell(Seq kept, Seq end, const VisitSummaryBytes& visit) const {
    return std::ranges::all_of(entries_ | std::views::reverse, [&](const Entry& one) {
      return one.place.seq < kept || one.place.seq >= end || visit(one.place, bytes_of(one));
    });
  }

 private:
  struct Entry {
    SeqAndTrace place;
    std::uint32_t at, size;
  };
  [[nodiscard]] std::string_view bytes_of(const Entry& one) const {
    return std::string_view(bytes_).substr(one.at, one.size);
  }
  std::string bytes_;
  std::vector<Entry> entries_;
};

// One search's way from the newest summary of the store to older ones.
class SummaryWalk {
 public:
  using Stretch = NewestSummaries::Stretch;
  using Kept = NewestSummaries::Kept;

  SummaryWalk(SummarySource& source, const VisitSummaryBytes& visit) : source_(source), visit_(visit) {}

  // False: it was told to stop, or cannot go on. `read` gets what it has met without a gap from `end` on, at
  // most so many bytes of it.
  bool tell(Seq kept, Seq end, std::size_t most_bytes, Kept& read) {
    read.from = read.end = end;
    bool is_whole = true;
    while (end > kept) {
      const Seq before = end;
      if (!(end > source_.written ? read_tail(kept, end, is_whole) : read_store(kept, end, is_whole)))
        return false;
      if (!stretch_.tell(kept, before, visit_)) return false;
      is_whole = is_whole && read.bytes + stretch_.size() <= most_bytes;
      if (!is_whole) continue;
      read.from = std::max(end, kept);
      if (stretch_.empty()) continue;
      read.stretches.push_back(std::make_shared<const Stretch>(stretch_));
      read.bytes += stretch_.size();
    }
    return true;
  }
  [[nodiscard]] Result<> result() const { return result_; }

 private:
  // These move `end` to the first record they have read.
  bool read_tail(Seq kept, Seq& end, bool& is_whole) {
    const Seq from = end - std::min<Seq>(kGlanceTailRecords, end - std::max(kept, source_.written));
    stretch_.clear();
    const auto all = source_.read_tail(
        from, end, [this](const SeqAndTrace& place, std::string_view bytes) { stretch_.add(place, bytes); });
    if (!all) result_ = std::unexpected(all.error());
    is_whole = is_whole && all && *all;
    end = from;
    return all.has_value();
  }
  bool read_store(Seq kept, Seq& end, bool& is_whole) {
    if (!it_ && !open()) return false;
    for (;;) {
      const Seq from = end - std::min(width_, end - kept);
      if (!stretch_.read(*it_, from, end)) {
        width_ = (end - from) / 2;
        if (width_ > 0) continue;
        width_ = 1;
        is_whole = false;
        stretch_.clear();
        end = from;
        return tell_backwards(*it_, from, visit_);
      }
      if (!stretch_.empty() && stretch_.is_small()) width_ = std::min(width_ * 2, kMostStretchRecords);
      end = stretch_.empty() ? std::min(from, end_before(*it_, from)) : from;
      return true;
    }
  }
  bool open() {
    Store* store = source_.store();
    if (store == nullptr) {
      result_ = store_is_closed();
      return false;
    }
    rocksdb::ReadOptions options;
    options.fill_cache = false;  // more than it holds; the records of what is found need it
    options.readahead_size = kGlanceReadAhead;
    it_.reset(store->db().NewIterator(options, store->family(Family::traces)));
    return true;
  }

  SummarySource& source_;
  const VisitSummaryBytes& visit_;
  Result<> result_;
  Seq width_ = kFirstStretchRecords;
  Stretch stretch_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

// Small ones become one: each search adds the few that came since the last one.
void NewestSummaries::Kept::append(Stretches older, Seq older_from) {
  for (auto& one : older) {
    bytes += one->size();
    if (!stretches.empty() && stretches.back()->is_small() && one->is_small()) {
      auto both = std::make_shared<Stretch>(*one);
      both->append(*stretches.back());
      stretches.back() = std::move(both);
    } else {
      stretches.push_back(std::move(one));
    }
  }
  from = older_from;
}

void NewestSummaries::Kept::shrink_to(std::size_t most, Seq kept) {
  while (!stretches.empty() && (bytes > most || stretches.back()->last() < kept)) {
    bytes -= stretches.back()->size();
    stretches.pop_back();
    from = stretches.empty() ? end : stretches.back()->first();
  }
}

Result<> NewestSummaries::each(SummarySource& source, Seq kept, Seq end, const VisitSummaryBytes& visit) {
  kept = std::max<Seq>(kept, 1);  // 0 is the view's cursor
  end = std::max(kept, end);
  const Kept before = look();
  SummaryWalk walk(source, visit);
  const Seq known = std::clamp(before.end, kept, end);
  Kept now;
  const bool came_through = walk.tell(known, end, most_bytes_, now);
  const bool has_gap = now.from > known || before.from > end;
  if (!came_through || has_gap) {
    Kept older;
    if (came_through) walk.tell(kept, known, 0, older);
    if (came_through || before.stretches.empty()) keep(std::move(now), before, kept);
    return walk.result();
  }
  const bool goes_on =
      std::ranges::all_of(before.stretches, [&](const auto& one) { return one->tell(kept, end, visit); });
  const Seq reached = before.stretches.empty() ? known : std::min(before.from, known);
  now.append(before.stretches, reached);
  now.end = std::max(end, before.end);
  if (goes_on) {
    Kept older;
    walk.tell(kept, std::max(kept, reached), most_bytes_ - std::min(most_bytes_, now.bytes), older);
    now.append(std::move(older.stretches), std::max(kept, older.from));
  }
  keep(std::move(now), before, kept);
  return walk.result();
}

NewestSummaries::Kept NewestSummaries::look() {
  const std::lock_guard lock(mutex_);
  used_ = std::chrono::steady_clock::now();
  return kept_;
}

// Unless another search, or forget(), was faster.
void NewestSummaries::keep(Kept now, const Kept& before, Seq kept) {
  now.shrink_to(most_bytes_, kept);
  const std::lock_guard lock(mutex_);
  if (kept_.from == before.from && kept_.end == before.end) kept_ = std::move(now);
}

void NewestSummaries::forget() {
  const std::lock_guard lock(mutex_);
  kept_ = {};
}

void NewestSummaries::forget_unused(std::chrono::steady_clock::duration unused) {
  const std::lock_guard lock(mutex_);
  if (!kept_.stretches.empty() && std::chrono::steady_clock::now() - used_ > unused) kept_ = {};
}

std::size_t NewestSummaries::kept_bytes() const {
  const std::lock_guard lock(mutex_);
  return kept_.bytes;
}

}  // namespace spanferry::spool
