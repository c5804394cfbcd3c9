#include "spool/recovery.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "spool/coding.hpp"
#include "spool/group_writer.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"
#include "spool/log_reader.hpp"
#include "spool/side_file.hpp"
#include "spool/wal_check.hpp"

namespace spanferry::spool {
namespace {

constexpr std::string_view kFormat = "1";

const Boundary& later(const Boundary& a, const Boundary& b) { return a.seq >= b.seq ? a : b; }

bool starts_with(const rocksdb::Iterator& it, std::string_view prefix) {
  return it.Valid() && view(it.key()).starts_with(prefix);
}

Result<> read_cursors(Store& store, StoreState& state) {
  const std::unique_ptr<rocksdb::Iterator> it(
      store.db().NewIterator(rocksdb::ReadOptions(), store.family(Family::state)));
  for (it->Seek(slice(kCursorPrefix)); starts_with(*it, kCursorPrefix); it->Next()) {
    std::string name(view(it->key()).substr(kCursorPrefix.size()));
    auto progress = Progress::decode(view(it->value()));
    if (!progress) {
      if (progress.error().kind == ErrorKind::unsupported) return std::unexpected(progress.error());
      spdlog::error("spool: the progress of {} is damaged: {}", name, progress.error().sentence);
      continue;
    }
    state.cursors[name].progress = std::move(*progress);
  }
  if (!it->status().ok()) spdlog::error("spool: reading the cursors: {}", it->status().ToString());
  for (auto& [name, cursor] : state.cursors) {
    std::string value;
    const auto got =
        store.db().Get(rocksdb::ReadOptions(), store.family(Family::state), dead_stats_key(name), &value);
    if (const auto stats = got.ok() ? decode_dead_stats(value) : std::nullopt) cursor.dead = *stats;
  }
  return {};
}

void read_marks(Store& store, std::map<std::string, StoredCursor>& cursors) {
  const std::unique_ptr<rocksdb::Iterator> it(
      store.db().NewIterator(rocksdb::ReadOptions(), store.family(Family::state)));
  for (auto& [name, cursor] : cursors) {
    const std::string prefix = mark_prefix(name);
    for (it->Seek(mark_key(name, cursor.progress.position().seq, TraceId{})); starts_with(*it, prefix);
         it->Next()) {
      const auto mark = parse_mark_key(view(it->key()));
      const auto size = decode_mark(view(it->value()));
      if (mark && size && mark->cursor == name) cursor.progress.restore_mark(mark->seq, mark->trace, *size);
    }
    if (const auto off = cursor.progress.reconcile(); off != 0) {
      spdlog::error(
          "spool: the counters of {} were {} spans off what it settled (damaged progress): corrected", name,
          off);
    }
  }
}

Result<> check_format(Store& store, bool fresh) {
  std::string format;
  auto* state = store.family(Family::state);
  const auto got = store.db().Get(rocksdb::ReadOptions(), state, slice(kFormatKey), &format);
  if (got.ok() && format != kFormat) {
    return fail(
        ErrorKind::unsupported,
        fmt::format("the spool has format {}; this version knows {}: run the version that wrote it, or give "
                    "this one another spool.directory",
                    format, kFormat));
  }
  if (got.ok()) return {};
  if (!fresh) spdlog::warn("spool: the format version is missing; taken as {}", kFormat);
  const auto put = store.db().Put(rocksdb::WriteOptions(), state, slice(kFormatKey), slice(kFormat));
  const auto flushed = put.ok() ? store.db().FlushWAL(true) : put;
  if (!flushed.ok()) return std::unexpected(error_of(flushed, "cannot write to the store"));
  return {};
}

// What is really parked, by a scan: for a cursor whose newest moves the store may have lost.
ParkedTotals count_parked(Store& store, std::string_view cursor) {
  ParkedTotals there;
  const std::string prefix = parked_prefix(cursor);
  const std::unique_ptr<rocksdb::Iterator> it(
      store.db().NewIterator(rocksdb::ReadOptions(), store.family(Family::parked)));
  for (it->Seek(prefix); starts_with(*it, prefix); it->Next()) {
    const auto header = peek_record_header(view(it->value()));
    ++there.records;
    there.spans += header ? header->header.span_count : 0;
    there.bytes += it->key().size() + it->value().size();
  }
  return there;
}

// Where both copies know a cursor, the larger position counts.
void take_larger(Store& store, StoreState& state, const SideFile& side) {
  state.first = later(state.first, side.first);
  state.end = later(state.end, side.end);
  for (const auto& [name, encoded] : side.cursors) {
    auto progress = Progress::decode(encoded);
    if (!progress) continue;
    auto [it, inserted] = state.cursors.try_emplace(name);
    if (inserted || it->second.progress.position().seq < progress->position().seq) {
      it->second.progress = std::move(*progress);
      if (it->second.progress.parked().records > 0)
        it->second.progress.found_parked(count_parked(store, name));
    }
  }
}

StoreOptions store_options(const StoreOpening& opening) {
  return {.directory = opening.layout.store(),
          .positions = opening.positions,
          .events = opening.events,
          .env = opening.env,
          .create = !store_exists(opening.layout.store()),
          .memory = opening.memory};
}

Result<std::string> set_aside(const Layout& layout) {
  const std::string aside = fmt::format("{}/damaged-{}", layout.root, std::time(nullptr));
  if (std::rename(layout.store().c_str(), aside.c_str()) != 0) {
    return fail(ErrorKind::io, fmt::format("cannot set {} aside: {}", layout.store(), std::strerror(errno)));
  }
  if (auto made = make_directory(layout.store()); !made) return std::unexpected(made.error());
  return aside;
}

// On a full disk, first with the room of the reserve file, then without writing tables.
Result<std::unique_ptr<Store>> open_with_room(const StoreOpening& opening, StoreOptions options, bool* held) {
  auto store = Store::open(options);
  if (store || store.error().kind != ErrorKind::full) return store;
  give_up_reserve_file(opening.layout);
  store = Store::open(options);
  if (store || store.error().kind != ErrorKind::full) return store;
  *held = options.hold_memtables = true;
  return Store::open(options);
}

// The log begins anew behind everything the damaged one may have held; what its readers had pending is lost
// until it is salvaged.
void start_beyond(Recovered& recovered, StoreState& state) {
  const Boundary fresh{state.end.seq + kFreshStoreSeqs, state.end.records, state.end.spans};
  for (auto& [name, cursor] : state.cursors) {
    const auto parked = cursor.progress.parked().spans;
    cursor.progress.found_parked({});
    const auto lost = cursor.progress.settle_below(fresh, Outcome::lost) + parked;
    if (lost > 0) spdlog::error("spool: {} had at least {} spans pending in the damaged store", name, lost);
  }
  recovered.first = recovered.end = state.first = state.end = fresh;
}

}  // namespace

Result<StoreState> read_state(Store& store) {
  StoreState state;
  std::string totals;
  const auto got =
      store.db().Get(rocksdb::ReadOptions(), store.family(Family::state), slice(kTotalsKey), &totals);
  if (const auto both = got.ok() ? decode_totals(totals) : std::nullopt) {
    std::tie(state.first, state.end) = *both;
  }
  if (auto read = read_cursors(store, state); !read) return std::unexpected(read.error());
  return state;
}

Result<StoreState> read_progress(Store& store, const Layout& layout) {
  auto state = read_state(store);
  if (!state) return state;
  if (const auto side = read_side_file(layout.side_file()); side && *side) take_larger(store, *state, **side);
  read_marks(store, state->cursors);
  return state;
}

Boundary end_of_log(Store& store, const Boundary& at_least) {
  Boundary end = at_least;
  const std::unique_ptr<rocksdb::Iterator> it(
      store.db().NewIterator(rocksdb::ReadOptions(), store.family(Family::log)));
  it->SeekToLast();
  if (!it->Valid()) return end;
  const Seq next = parse_log_key(view(it->key())).value_or(0) + 1;
  if (next <= end.seq) return end;
  if (const auto after = boundary_after_last(store, next, 0)) end = later(*after, end);
  if (next > end.seq) {  // the last record's header is damaged: its size is unknown
    end.records += next - end.seq;
    end.seq = next;
  }
  return end;
}

Result<Recovered> recover_store(const StoreOpening& opening) {
  const Layout& layout = opening.layout;
  Recovered recovered;
  auto side = read_side_file(layout.side_file());
  if (!side && side.error().kind != ErrorKind::damaged) return std::unexpected(side.error());
  if (!side) spdlog::error("spool: {}; going by the store alone", side.error().sentence);
  const SideFile second = side && *side ? **side : SideFile{};

  if (auto made = make_directory(layout.store()); !made) return std::unexpected(made.error());
  const bool was_clean = read_file(layout.clean_marker(), 64).has_value();
  if (!was_clean && store_exists(layout.store())) {
    auto wals = repair_wals(layout);
    if (!wals) return std::unexpected(wals.error());
    recovered.damaged_wal_records = wals->damaged_records;
    for (const auto& name : wals->rewritten) {
      spdlog::error("spool: damaged records in {} were left out; the original is in {}", name,
                    layout.quarantine());
    }
  }
  if (auto removed = remove_file(layout.clean_marker()); !removed) return std::unexpected(removed.error());

  opening.positions->log = second.first.seq;  // flushes during Open leave out what is below
  const bool fresh = !store_exists(layout.store());
  auto store = open_with_room(opening, store_options(opening), &recovered.held);
  if (!store && store.error().kind == ErrorKind::damaged && !fresh) {
    spdlog::error("spool: {}", store.error().sentence);
    auto aside = set_aside(layout);
    if (!aside) return std::unexpected(aside.error());
    recovered.set_aside = *aside;
    store = Store::open(store_options(opening));
  }
  if (!store) return std::unexpected(store.error());
  recovered.store = std::move(*store);
  if (auto format = check_format(*recovered.store, fresh || !recovered.set_aside.empty()); !format) {
    return std::unexpected(format.error());
  }
  auto state = read_state(*recovered.store);
  if (!state) return std::unexpected(state.error());
  take_larger(*recovered.store, *state, second);
  read_marks(*recovered.store, state->cursors);
  if (!recovered.set_aside.empty()) {
    start_beyond(recovered, *state);
  } else {
    recovered.first = state->first;
    recovered.end = end_of_log(*recovered.store, state->end);
    for (const auto& [name, cursor] : state->cursors) {  // whoever settled it knows that it was there
      recovered.end = later(recovered.end, cursor.progress.position());
    }
  }
  opening.positions->log = recovered.first.seq;
  recovered.cursors = std::move(state->cursors);
  return recovered;
}

Result<Reopened> reopen_store(const StoreOpening& opening, bool no_space) {
  if (no_space) give_up_reserve_file(opening.layout);
  if (auto wals = repair_wals(opening.layout); !wals) return std::unexpected(wals.error());
  auto options = store_options(opening);
  options.create = false;
  options.hold_memtables = true;
  auto store = Store::open(options);
  if (!store) return std::unexpected(store.error());
  if (!no_space) {
    if (auto flushed = (*store)->flush(); !flushed) return std::unexpected(flushed.error());
    if (auto released = (*store)->release(); !released) return std::unexpected(released.error());
  }
  auto state = read_state(**store);
  if (!state) return std::unexpected(state.error());
  const Boundary end = end_of_log(**store, state->end);
  return Reopened{std::move(*store), end};
}

void keep_reserve_file(const Layout& layout, std::uint64_t min_free_bytes) {
  if (::access(layout.reserve().c_str(), F_OK) == 0) return;
  if (free_bytes(layout.root) < min_free_bytes + 4 * kReserveFileBytes) return;
  const int fd = ::open(layout.reserve().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return;
  const int failed = ::posix_fallocate(fd, 0, kReserveFileBytes);
  ::close(fd);
  if (failed != 0) give_up_reserve_file(layout);
}

void give_up_reserve_file(const Layout& layout) { ::unlink(layout.reserve().c_str()); }

}  // namespace spanferry::spool
