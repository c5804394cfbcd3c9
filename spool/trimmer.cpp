#include "spool/trimmer.hpp"

#include <algorithm>
#include <ctime>
#include <memory>

#include <rocksdb/convenience.h>
#include <spdlog/spdlog.h>

#include "spool/keys.hpp"
#include "spool/limits.hpp"
#include "spool/side_file.hpp"
#include "spool/summary.hpp"

namespace spanferry::spool {
namespace {

std::int64_t unix_seconds() { return static_cast<std::int64_t>(std::time(nullptr)); }

}  // namespace

Trimmer::Trimmer(Parts parts) : parts_(std::move(parts)) { retain(parts_.settings); }

void Trimmer::retain(const Settings& settings) {
  retain_bytes_ = settings.retain_bytes;
  retain_age_s_ = settings.retain_age.count();
  local_only_ = settings.local_only;
}

void Trimmer::start() {
  const auto store = parts_.store.access();
  odometer_.start(*store, parts_.hot.end().seq, unix_seconds());
  side_file_end_ = parts_.hot.end().seq;
  last_side_file_ = std::chrono::steady_clock::now();
}

void Trimmer::step(Seq viewed) {
  odometer_.note(parts_.hot.end().seq, parts_.stored_bytes(), unix_seconds());
  drop_for_age();
  drop_laggards();
  drop_for_room();
  const auto now = std::chrono::steady_clock::now();
  if (now < last_trim_ + kTrimDelay && parts_.budget.full() == Full::no) return;
  last_trim_ = now;
  const auto to = not_beyond(candidate(), viewed);
  if (to && to->seq > parts_.place.first().seq) {
    trim(*to);
  } else if (side_file_is_old_ ||
             (now >= last_side_file_ + kSideFileDelay && side_file_end_ != parts_.hot.end().seq)) {
    // So that a store lost as a whole is missed by little.
    if (auto written = write_side_file(parts_.place.first()); !written)
      spdlog::warn("spool: {}", written.error().sentence);
  }
  if (now >= last_summaries_ + kSideFileDelay) {
    last_summaries_ = now;
    trim_summaries();
  }
}

std::optional<Boundary> Trimmer::not_beyond(std::optional<Boundary> to, Seq viewed) const {
  if (!to || to->seq <= viewed) return to;
  // The view is a convenience: one that falls behind, or a full disk, does not hold the log.
  if (viewed + kViewHoldRecords < parts_.hot.end().seq || parts_.budget.full() != Full::no) return to;
  return parts_.boundary_at(viewed);
}

bool Trimmer::is_behind(std::uint64_t bytes) const {
  const auto slowest = parts_.cursors.slowest();
  const auto far_back = odometer_.bytes_back(bytes);
  return slowest && far_back && slowest->seq < far_back->seq;
}

bool Trimmer::will_stay() const {
  return local_only_ || is_behind(std::min(kFarBehindBytes, parts_.settings.max_bytes / 4));
}

std::optional<Boundary> Trimmer::candidate() const {
  const auto retained = retained_from();
  if (local_only_) return retained;
  auto to = parts_.cursors.slowest();
  if (!to) return std::nullopt;
  if (!retained || retained->seq >= to->seq) return retained ? to : std::nullopt;
  return retained;
}

// From where on payloads are kept although delivered; nothing: all of them. Under pressure, and where it
// would last for seconds only, retention gives way.
std::optional<Boundary> Trimmer::retained_from() const {
  const Boundary end = parts_.hot.end();
  const auto now = unix_seconds();
  const auto& settings = parts_.settings;
  const bool pressed = parts_.budget.bytes() > settings.max_bytes / 4 * 3;
  const auto by_bytes = odometer_.bytes_back(std::min(retain_bytes_.load(), settings.max_bytes / 2));
  if (!local_only_) {
    if (pressed || retain_bytes_ == 0) return end;
    if (by_bytes && now - by_bytes->time_s < kRetainWindow.count()) return end;
  }
  const auto by_age = odometer_.older_than(now - retain_age_s_);
  Seq from = 0;
  if (by_bytes) from = std::max(from, by_bytes->seq);
  if (by_age) from = std::max(from, by_age->seq);
  if (from <= parts_.place.first().seq) return std::nullopt;
  return parts_.boundary_at(from);
}

// With when_full: reject only where nobody holds the log but readers that are not waited for.
void Trimmer::drop_for_room() {
  if (parts_.budget.full() == Full::no) return;
  const Seq first = parts_.place.first().seq;
  // Cursors move first, the log is trimmed once their moves are durable: one step at a time.
  const auto slowest = parts_.cursors.slowest();
  if (!slowest || slowest->seq > first) return;
  const bool drop_oldest = parts_.settings.when_full == WhenFull::drop_oldest;
  if (!drop_oldest) {
    for (const auto* cursor : parts_.cursors.active())
      if (!cursor->max_lag_bytes() && cursor->durable_position().seq <= first) return;
  }
  const auto mark = odometer_.bytes_after(first, kDropStepBytes);
  const Seq below = mark ? mark->seq : parts_.hot.end().seq;
  std::uint64_t spans = 0;
  for (auto* cursor : parts_.cursors.active())
    if (drop_oldest || cursor->max_lag_bytes()) spans += drop_up_to(*cursor, below);
  tell_dropped(spans, drop_oldest ? "the spool is full (when_full: drop_oldest)"
                                  : "the spool is full (when_behind: drop)");
}

void Trimmer::drop_laggards() {
  for (auto* cursor : parts_.cursors.active()) {
    const auto limit = cursor->max_lag_bytes();
    if (!limit) continue;
    const auto mark = odometer_.bytes_back(*limit == 0 ? parts_.settings.max_bytes / 2 : *limit);
    if (mark) tell_dropped(drop_up_to(*cursor, mark->seq), "too far behind (when_behind: drop)");
  }
}

std::uint64_t Trimmer::drop_up_to(CursorImpl& cursor, Seq seq) {
  if (cursor.position() >= seq) return 0;
  const auto to = parts_.boundary_at(cursor.whole_boundary(seq));
  return to ? cursor.settle_below(*to, Outcome::dropped) : 0;
}

void Trimmer::drop_for_age() {
  if (parts_.settings.max_age.count() == 0) return;
  const auto mark = odometer_.older_than(unix_seconds() - parts_.settings.max_age.count());
  if (mark && mark->seq > parts_.place.first().seq) {
    tell_dropped(drop_below(mark->seq), "older than max_age");
  }
}

std::uint64_t Trimmer::drop_below(Seq seq) {
  std::uint64_t spans = 0;
  for (auto* cursor : parts_.cursors.active()) spans += drop_up_to(*cursor, seq);
  return spans;
}

void Trimmer::tell_dropped(std::uint64_t spans, std::string_view why) {
  untold_spans_ += spans;
  const auto now = std::chrono::steady_clock::now();
  if (untold_spans_ == 0 || (last_told_ != decltype(last_told_){} && now < last_told_ + kSideFileDelay))
    return;
  spdlog::warn("spool: dropped {} spans that were not delivered: {}", untold_spans_, why);
  last_told_ = now;
  untold_spans_ = 0;
}

void Trimmer::trim(const Boundary& to) {
  if (local_only_) drop_below(to.seq);
  if (auto written = write_side_file(to); !written) {
    if (!failing_) spdlog::warn("spool: cannot trim: {}", written.error().sentence);
    failing_ = true;
    return;
  }
  failing_ = false;
  parts_.place.move(to);
  parts_.positions.log = to.seq;
  delete_tables(to.seq);
}

Result<> Trimmer::write_side_file(const Boundary& first) {
  side_file_is_old_ = false;
  SideFile content{.first = first, .end = parts_.hot.end(), .cursors = {}};
  for (const auto* cursor : parts_.cursors.all())
    content.cursors[cursor->name()] = cursor->durable_progress();
  last_side_file_ = std::chrono::steady_clock::now();
  side_file_end_ = content.end.seq;
  return spool::write_side_file(parts_.layout.side_file(), content);
}

void Trimmer::delete_tables(Seq below) {
  const auto store = parts_.store.access();
  if (!store) return;
  const std::string begin = log_key(0);
  const std::string end = log_key(below - 1);
  const rocksdb::Slice begin_slice(begin);
  const rocksdb::Slice end_slice(end);
  const auto status =
      rocksdb::DeleteFilesInRange(&store->db(), store->family(Family::log), &begin_slice, &end_slice);
  if (!status.ok()) spdlog::warn("spool: freeing trimmed tables: {}", status.ToString());
}

// Summaries and index entries outlive the payloads for retain_age, bounded in number.
void Trimmer::trim_summaries() {
  const auto store = parts_.store.access();
  if (!store) return;
  const Seq first = parts_.place.first().seq;
  const Seq end = parts_.hot.end().seq;
  const std::int64_t oldest_ns = (unix_seconds() - retain_age_s_) * 1'000'000'000;
  Seq keep_from = std::min(first, first_summary_since(*store, oldest_ns).value_or(first));
  if (end > kMaxSummarizedRecords)
    keep_from = std::max(keep_from, std::min(first, end - kMaxSummarizedRecords));
  if (keep_from > parts_.positions.summaries) parts_.positions.summaries = keep_from;
}

}  // namespace spanferry::spool
