#include "spool/inspect.hpp"

#include <algorithm>
#include <memory>

#include <spdlog/fmt/fmt.h>

#include "spool/dead_reader.hpp"
#include "spool/directory.hpp"
#include "spool/keys.hpp"
#include "spool/log_reader.hpp"
#include "spool/recovery.hpp"
#include "spool/side_file.hpp"
#include "spool/store.hpp"

namespace spanferry::spool {
namespace {

constexpr std::size_t kScanBytes = 4U << 20;
constexpr std::size_t kScanRecords = 4096;
constexpr int kOpenTries = 5;  // the running process may delete a file between our list of them and our open

Result<std::unique_ptr<Store>> open_read_only(const Layout& layout) {
  if (!store_exists(layout.store())) {
    return fail(ErrorKind::not_found, fmt::format("there is no spool in {}", layout.root));
  }
  StoreOptions options;
  options.directory = layout.store();
  options.read_only = true;
  Result<std::unique_ptr<Store>> store = fail(ErrorKind::internal, "not tried");
  for (int i = 0; i < kOpenTries; ++i) {
    store = Store::open(options);
    if (store) break;
  }
  return store;
}

std::uint64_t unsettled_spans(const Record& record, const Progress& progress) {
  return record.header.span_count -
         std::min<std::uint64_t>(record.header.span_count, progress.marked_spans(record.seq));
}

void count_record(Inspection& found, const Record& record) {
  ++found.records;
  found.spans += record.header.span_count;
  found.payload_bytes += record.payload->size();
}

Result<> scan_log(Store& store, const StoreState& state, const Boundary& end, Inspection& found) {
  for (Seq from = state.first.seq; from < end.seq;) {
    ReadRange range{
        .from = from, .end = end, .known = {}, .max_bytes = kScanBytes, .max_records = kScanRecords};
    if (from == state.first.seq) range.known = state.first;
    auto batch = read_log(store, range);
    if (!batch) return std::unexpected(batch.error());
    for (const auto& record : batch->records) {
      count_record(found, record);
      std::size_t i = 0;
      for (const auto& [name, cursor] : state.cursors) {
        auto& counted = found.cursors[i++];
        if (cursor.progress.settled(record.seq)) continue;
        ++counted.pending_records;
        counted.pending_spans += unsettled_spans(record, cursor.progress);
      }
    }
    found.gaps.insert(found.gaps.end(), batch->gaps.begin(), batch->gaps.end());
    if (batch->next <= from) break;
    from = batch->next;
  }
  return {};
}

Result<> scan_parked(Store& store, Inspection& found) {
  const std::unique_ptr<rocksdb::Iterator> it(
      store.db().NewIterator(rocksdb::ReadOptions(), store.family(Family::parked)));
  for (auto& cursor : found.cursors) {
    const std::string prefix = parked_prefix(cursor.name);
    for (it->Seek(prefix); it->Valid() && view(it->key()).starts_with(prefix); it->Next()) {
      const auto header = peek_record_header(view(it->value()));
      ++cursor.parked.records;
      cursor.parked.spans += header ? header->header.span_count : 0;
      cursor.parked.bytes += it->key().size() + it->value().size();
    }
    cursor.pending_records += cursor.parked.records;
    cursor.pending_spans += cursor.parked.spans;
  }
  if (!it->status().ok()) return std::unexpected(error_of(it->status(), "cannot read the parked space"));
  return {};
}

Result<> scan_dead(Store& store, Inspection& found) {
  const std::unique_ptr<rocksdb::Iterator> it(
      store.db().NewIterator(rocksdb::ReadOptions(), store.family(Family::dead)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const auto letter = decode_dead_letter(view(it->value()));
    if (!letter) continue;
    auto& dead = found.dead[letter->destination];
    ++dead.letters;
    dead.spans += letter->spans;
    dead.bytes += it->key().size() + it->value().size();
  }
  if (!it->status().ok()) return std::unexpected(error_of(it->status(), "cannot read the dead letters"));
  return {};
}

void list_kept(const Layout& layout, Inspection& found) {
  found.quarantine = list_directory(layout.quarantine());
  for (const auto& name : list_directory(layout.root)) {
    if (name.starts_with("damaged-")) found.set_aside.push_back(name);
  }
  std::sort(found.quarantine.begin(), found.quarantine.end());
  std::sort(found.set_aside.begin(), found.set_aside.end());
}

}  // namespace

Result<Inspection> inspect(const std::string& directory) {
  const Layout layout{directory};
  auto store = open_read_only(layout);
  if (!store) return std::unexpected(store.error());
  auto state = read_progress(**store, layout);
  if (!state) return std::unexpected(state.error());
  const Boundary end = end_of_log(**store, state->end);
  Inspection found;
  found.directory = directory;
  found.first_seq = state->first.seq;
  found.last_seq = end.seq - 1;
  found.appended_records = end.records;
  found.appended_spans = end.spans;
  found.disk_bytes = disk_usage(directory);
  for (const auto& [name, cursor] : state->cursors) {
    InspectedCursor counted;
    counted.name = name;
    counted.position = cursor.progress.position().seq;
    counted.intervals = cursor.progress.intervals();
    counted.marks = cursor.progress.marks();
    counted.counts = cursor.progress.counts();
    counted.accepted = cursor.progress.accounting(end).accepted;
    found.cursors.push_back(std::move(counted));
  }
  if (auto scanned = scan_log(**store, *state, end, found); !scanned) return std::unexpected(scanned.error());
  if (auto scanned = scan_parked(**store, found); !scanned) return std::unexpected(scanned.error());
  if (auto scanned = scan_dead(**store, found); !scanned) return std::unexpected(scanned.error());
  list_kept(layout, found);
  return found;
}

Result<std::vector<DeadLetter>> list_dead(const std::string& directory, std::string_view destination,
                                          std::size_t limit) {
  auto store = open_read_only(Layout{directory});
  if (!store) return std::unexpected(store.error());
  return read_dead_letters(**store, destination, limit);
}

Result<> each_dead(const std::string& directory, std::string_view which,
                   const std::function<bool(const DeadLetter&)>& use) {
  auto store = open_read_only(Layout{directory});
  if (!store) return std::unexpected(store.error());
  const auto prefix = dead_range(which);
  if (!prefix) return {};
  const std::unique_ptr<rocksdb::Iterator> it(
      (*store)->db().NewIterator(rocksdb::ReadOptions(), (*store)->family(Family::dead)));
  for (it->Seek(*prefix); it->Valid() && view(it->key()).starts_with(*prefix); it->Next()) {
    const auto letter = decode_dead_letter(view(it->value()));
    if (letter && !use(*letter)) break;
  }
  if (!it->status().ok()) return std::unexpected(error_of(it->status(), "cannot read the dead letters"));
  return {};
}

Result<std::optional<DeadLetter>> show_dead(const std::string& directory, std::string_view id) {
  auto store = open_read_only(Layout{directory});
  if (!store) return std::unexpected(store.error());
  return read_dead_letter(**store, id);
}

}  // namespace spanferry::spool
