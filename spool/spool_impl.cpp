#include "spool/spool_impl.hpp"

#include <algorithm>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "model/clock.hpp"
#include "spool/coding.hpp"
#include "spool/dead_reader.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"
#include "spool/log_reader.hpp"

namespace spanferry::spool {
namespace {

constexpr std::size_t kMaxCursorNameBytes = 200;
constexpr std::size_t kRememberedGaps = 1024;

// Where the log ended when a cursor was released: what came later was never for it.
std::string released_key(const std::string& cursor) { return "released/" + cursor; }

bool belongs_to(const std::string& cursor, const std::string& destination) {
  return cursor == destination || cursor.starts_with(destination + '#');
}

}  // namespace

SpoolImpl::SpoolImpl(const Settings& settings, const Internals& internals, std::unique_ptr<LockFile> lock,
                     StoreOpening opening, Recovered recovered)
    : settings_(settings),
      internals_(internals),
      lock_(std::move(lock)),
      opening_(std::move(opening)),
      filesystem_(filesystem_name(opening_.layout.root)),
      place_warnings_(warnings_of_place(opening_.layout.root, filesystem_)),
      hot_(recovered.end, settings.memory.hot_bytes),
      place_(recovered.first),
      budget_(settings_, opening_.layout),
      cursors_(internals.orphan_grace),
      loop_(settings_, {.store = store_,
                        .hot = hot_,
                        .budget = budget_,
                        .events = *opening_.events,
                        .reopen = [this](bool no_space) { return reopen(no_space); },
                        .first = [this] { return place_.first(); },
                        .compress = [this] { return compress_.load(); }}),
      values_([this] { loop_.wake(); }),
      view_({.store = store_,
             .hot = hot_,
             .place = place_,
             .positions = *opening_.positions,
             .read = [this](Seq from, std::size_t bytes,
                            std::size_t records) { return read(from, bytes, records); }},
            settings.memory.searched_bytes),
      trimmer_({.settings = settings_,
                .layout = opening_.layout,
                .store = store_,
                .hot = hot_,
                .budget = budget_,
                .cursors = cursors_,
                .place = place_,
                .positions = *opening_.positions,
                .boundary_at = [this](Seq seq) { return boundary_at(seq); },
                .stored_bytes = [this] { return loop_.stored_bytes(); }}),
      quarantined_(recovered.damaged_wal_records),
      parked_max_bytes_(settings.parked_max_bytes != 0 ? settings.parked_max_bytes : settings.max_bytes / 4),
      parked_dropper_(settings_, cursors_, parked_max_bytes_) {
  store_.set(std::move(recovered.store));
  for (auto& [name, stored] : recovered.cursors) add_cursor(name, std::move(stored));
  loop_.add(&values_);
  held_ = recovered.held;
  if (recovered.held) budget_.no_space();
  budget_.measure();
  keep_reserve_file(opening_.layout, settings_.min_free_bytes);
  trimmer_.start();
  compress_ = trimmer_.will_stay();
  view_.restart();
  loop_.start();
  if (!recovered.set_aside.empty()) {  // the cursors' new places must not wait for the first append
    for (auto* cursor : cursors_.all()) cursor->touch();
    spdlog::error(
        "spool: the store was damaged beyond opening and lies in {} now; an empty one took its place",
        recovered.set_aside);
  }
  housekeeping_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "housekeeping");
    housekeep();
  });
}

SpoolImpl::~SpoolImpl() {
  {
    const std::scoped_lock lock(housekeeping_mutex_);
    stopping_ = true;
  }
  housekeeping_wake_.notify_all();
  housekeeping_.join();
  loop_.stop();
  values_.cancel();
  if (!internals_.flush_at_close) return;
  {
    const auto store = store_.access();
    if (!store || loop_.failing()) return;
    if (auto flushed = store->flush(); !flushed) {
      spdlog::warn("spool: {}; the next start reads the log instead", flushed.error().sentence);
      return;
    }
  }
  if (!trimmer_.write_side_file(place_.first())) return;
  store_.close();
  if (auto marked = replace_file(opening_.layout.clean_marker(), "clean\n"); !marked) {
    spdlog::warn("spool: {}", marked.error().sentence);
  }
}

CursorImpl::Log SpoolImpl::cursor_log() {
  return {.end = [this] { return hot_.end(); },
          .received_ns = [this](Seq seq) { return received_ns(seq); },
          .wake = [this] { loop_.wake(); },
          .lost = [this](const Gap& gap) { note_gap(gap); },
          .store = &store_,
          .parked_is_full = [this] { return parked_is_full_.load(); },
          .positions = opening_.positions};
}

CursorImpl* SpoolImpl::add_cursor(const std::string& name, StoredCursor stored) {
  auto* cursor = cursors_.add(
      std::make_unique<CursorImpl>(name, std::move(stored.progress), std::move(stored.dead), cursor_log()));
  loop_.add(cursor);
  if (const auto end = load(released_key(name)); end && *end) {
    Decoder decoder(**end);
    const Boundary at = take_boundary(decoder);
    if (decoder.ok()) cursor->release(at);
  }
  return cursor;
}

Result<Boundary> SpoolImpl::reopen(bool no_space) {
  auto reopened = reopen_store(opening_, no_space);
  if (!reopened) return std::unexpected(reopened.error());
  Boundary end = reopened->end;
  if (end.seq < hot_.end().seq)
    end = hot_.end();  // what is missing was acknowledged: readers will meet a gap
  held_ = no_space;
  store_.set(std::move(reopened->store));
  return end;
}

void SpoolImpl::append(std::vector<Entry> entries, AppendHandler done) {
  // With drop_oldest the oldest of what is parked goes instead.
  if (parked_is_full_ && any_route_held_ && settings_.when_full == WhenFull::reject)
    if (auto refusal = refusal_of(entries)) return done(std::unexpected(*std::move(refusal)));
  loop_.append(std::move(entries), std::move(done));
}

Result<ReadBatch> SpoolImpl::read(Seq from, std::size_t max_bytes, std::size_t max_records) {
  const Boundary first = place_.first();
  from = std::max(from, first.seq);
  ReadBatch batch{.records = {}, .gaps = {}, .next = from};
  if (max_records == 0 || hot_.read(from, max_bytes, max_records, batch)) return batch;
  const Boundary hot_from = hot_.first();
  if (from >= hot_from.seq) {
    // Nothing there yet, or the records became hot between the two looks.
    hot_.read(from, max_bytes, max_records, batch);
    return batch;
  }
  const auto store = store_.access();
  if (!store) return store_is_closed();
  ReadRange range{
      .from = from, .end = hot_from, .known = {}, .max_bytes = max_bytes, .max_records = max_records};
  if (from == first.seq) range.known = first;
  auto read = read_log(*store, range);
  if (!read) return read;
  if (place_.first().seq > from)
    std::erase_if(read->gaps, [this](const Gap& gap) {
      return gap.first < place_.first().seq;  // trimmed while we read
    });
  for (const auto& gap : read->gaps) note_gap(gap);
  return read;
}

Result<std::optional<Record>> SpoolImpl::get(Seq seq) {
  if (seq < first() || seq >= end()) return std::optional<Record>{};
  if (auto record = hot_.get(seq)) return record;
  const auto store = store_.access();
  if (!store) return store_is_closed();
  auto record = get_record(*store, seq);
  if (!record && record.error().kind == ErrorKind::damaged) return std::optional<Record>{};
  return record;
}

Result<std::vector<Seq>> SpoolImpl::records_of(const TraceId& trace) {
  const auto store = store_.access();
  if (!store) return store_is_closed();
  const Seq durable = end();
  std::vector<Seq> seqs;
  const std::unique_ptr<rocksdb::Iterator> it(
      store->db().NewIterator(rocksdb::ReadOptions(), store->family(Family::index)));
  for (it->Seek(index_key(trace, first())); it->Valid() && seqs.size() < kMaxRecordsOfTrace; it->Next()) {
    const auto seq = parse_index_key(view(it->key()), trace);
    if (!seq || *seq >= durable) break;
    seqs.push_back(*seq);
  }
  if (!it->status().ok()) return std::unexpected(error_of(it->status(), "cannot read the index"));
  return seqs;
}

Result<Cursor*> SpoolImpl::cursor(const std::string& name, From from) {
  if (name.empty() || name.size() > kMaxCursorNameBytes || name.find('\0') != std::string::npos) {
    return fail(ErrorKind::invalid_input, "a cursor's name has 1 to 200 bytes, none of them zero");
  }
  const std::scoped_lock lock(cursor_mutex_);
  if (auto* known = cursors_.find(name)) {
    // As an orphan it held the log no longer: what was trimmed meanwhile is gone for it.
    const Boundary first = place_.first();
    if (!known->forgotten() && known->position() < first.seq) {
      const auto to = boundary_at(known->whole_boundary(first.seq));
      const auto dropped = to ? known->settle_below(*to, Outcome::dropped) : 0;
      if (dropped > 0) spdlog::warn("spool: {} comes back; {} spans were trimmed meanwhile", name, dropped);
    }
    if (known->forgotten()) known->begin(from == From::oldest ? first : hot_.end());
    if (known->released_at()) values_.erase(released_key(name));
    known->activate();
    return known;
  }
  const bool first_ever = cursors_.all().empty();
  const Boundary start = from == From::oldest || first_ever ? place_.first() : hot_.end();
  auto* made = add_cursor(name, {Progress(start), {}});
  made->activate();
  return made;
}

std::vector<std::string> SpoolImpl::orphaned_cursors() {
  std::vector<std::string> names;
  for (const auto* cursor : cursors_.all()) {
    if (!cursor->active()) names.push_back(cursor->name());
  }
  return names;
}

void SpoolImpl::release(const std::string& name) {
  const std::scoped_lock lock(cursor_mutex_);
  auto* cursor = cursors_.find(name);
  if (cursor == nullptr || cursor->forgotten() || (!cursor->active() && cursor->released_at())) return;
  const Boundary end = hot_.end();
  cursor->release(end);
  std::string encoded;
  put_boundary(encoded, end);
  values_.put(released_key(name), std::move(encoded), {});
}

void SpoolImpl::forget(const std::string& name, std::move_only_function<void(Result<>)> done) {
  const std::scoped_lock lock(cursor_mutex_);
  std::vector<CursorImpl*> its;
  for (auto* cursor : cursors_.all())
    if (belongs_to(cursor->name(), name)) its.push_back(cursor);
  if (its.empty())
    return done(fail(ErrorKind::not_found, fmt::format("the spool knows no destination {}", name)));
  if (std::ranges::any_of(its, &CursorImpl::active))
    return done(
        fail(ErrorKind::invalid_input,
             fmt::format("destination {} is in use: remove it from the configuration before it is forgotten",
                         name)));
  for (auto* cursor : its) {
    cursor->forget();
    values_.erase(released_key(cursor->name()));
  }
  trimmer_.cursors_changed();
  values_.put("forgot", name, std::move(done));
}

std::vector<RemovedDestination> SpoolImpl::removed() const {
  std::map<std::string, RemovedDestination> all;
  for (const auto* cursor : cursors_.all()) {
    if (cursor->active() || !cursor->released_at()) continue;
    auto& one = all[cursor->name().substr(0, cursor->name().find('#'))];
    one.pending_spans = std::max(one.pending_spans, cursor->accounting_at_release().pending);
    one.dead_letters += cursor->dead().letters;
  }
  std::vector<RemovedDestination> list;
  for (auto& [name, one] : all) {
    one.name = name;
    list.push_back(std::move(one));
  }
  return list;
}

void SpoolImpl::put(std::string key, std::string value, std::move_only_function<void(Result<>)> done) {
  values_.put(std::move(key), std::move(value), std::move(done));
}

Result<std::optional<std::string>> SpoolImpl::load(std::string_view key) {
  if (auto pending = values_.pending(key)) return std::move(*pending);
  const auto store = store_.access();
  if (!store) return store_is_closed();
  std::string value;
  const auto got =
      store->db().Get(rocksdb::ReadOptions(), store->family(Family::state), put_key(key), &value);
  if (got.IsNotFound()) return std::optional<std::string>{};
  if (!got.ok()) return std::unexpected(error_of(got, "cannot read a stored value"));
  return std::optional<std::string>(std::move(value));
}

std::optional<Boundary> SpoolImpl::boundary_at(Seq seq) {
  if (const Boundary end = hot_.end(); seq >= end.seq) return end;
  if (const Boundary first = place_.first(); seq <= first.seq) return first;
  if (const auto record = hot_.get(seq)) {
    return Boundary{seq, record->header.records_before, record->header.spans_before};
  }
  const auto store = store_.access();
  if (!store) return std::nullopt;
  const auto header = get_header(*store, seq);
  if (!header || !*header) return std::nullopt;
  return Boundary{seq, (*header)->records_before, (*header)->spans_before};
}

std::int64_t SpoolImpl::received_ns(Seq seq) {
  if (const auto record = hot_.get(seq)) return record->header.received_ns;
  const auto store = store_.access();
  if (!store) return 0;
  const auto header = get_header(*store, seq);
  return header && *header ? (*header)->received_ns : 0;
}

void SpoolImpl::note_gap(const Gap& gap) {
  const std::scoped_lock lock(gaps_mutex_);
  if (gaps_.contains(gap.first)) return;
  if (gaps_.size() >= kRememberedGaps) gaps_.erase(gaps_.begin());
  gaps_[gap.first] = gap;
  lost_records_ += gap.records;
  lost_spans_ += gap.spans;
  spdlog::error("spool: records {} to {} are damaged or missing: {} records with {} spans are lost",
                gap.first, gap.last, gap.records, gap.spans);
}

Result<std::vector<DeadLetter>> SpoolImpl::dead_letters(std::string_view destination, std::size_t limit) {
  const auto store = store_.access();
  if (!store) return store_is_closed();
  return read_dead_letters(*store, destination, limit);
}

Result<std::optional<DeadLetter>> SpoolImpl::dead_letter(std::string_view id) {
  const auto store = store_.access();
  if (!store) return store_is_closed();
  return read_dead_letter(*store, id);
}

SpoolStatus SpoolImpl::status() const {
  const Boundary first = place_.first();
  const Boundary end = hot_.end();
  SpoolStatus status;
  status.directory = settings_.directory;
  status.filesystem = filesystem_;
  status.records = end.records - first.records;
  status.spans = end.spans - first.spans;
  status.bytes = budget_.bytes();
  status.max_bytes = settings_.max_bytes;
  std::int64_t oldest = 0;
  for (const auto* cursor : cursors_.active()) {
    const auto ns = cursor->oldest_pending_ns();
    if (ns != 0 && (oldest == 0 || ns < oldest)) oldest = ns;
  }
  if (oldest != 0) {
    status.oldest_age_s = std::max(0.0, static_cast<double>(unix_now_ns() - oldest) / 1e9);
  }
  status.first_seq = first.seq;
  status.last_seq = end.seq - 1;
  status.quarantined_records = quarantined_;
  {
    const std::scoped_lock lock(gaps_mutex_);
    status.lost_records = lost_records_;
    status.lost_spans = lost_spans_;
  }
  status.appended_records = end.records;
  status.appended_spans = end.spans;
  status.dead_letters = cursors_.dead_letters();
  status.dead_letter_bytes = cursors_.dead_letter_bytes();
  status.commit_groups = loop_.groups();
  status.syncs = loop_.syncs();
  status.accepting = budget_.accepting();
  status.not_accepting_reason = budget_.reason();
  status.warnings = place_warnings_;
  status.removed = removed();
  return status;
}

}  // namespace spanferry::spool
