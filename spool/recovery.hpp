// From a directory to a running store, whatever the last process or the disk did to it. Damage never fails a
// start: damaged WAL records go to quarantine, a store that does not open is set aside whole and an empty one
// starts in its place, with seqs far beyond.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "model/result.hpp"
#include "spool/cursor_impl.hpp"
#include "spool/directory.hpp"
#include "spool/progress.hpp"
#include "spool/store.hpp"

namespace spanferry::spool {

struct StoredCursor {
  Progress progress;
  DeadStats dead;
};

struct Recovered {
  std::unique_ptr<Store> store;
  Boundary first, end;
  std::map<std::string, StoredCursor> cursors;
  std::uint64_t damaged_wal_records = 0;
  bool held = false;      // opened on a full disk, with hold_memtables
  std::string set_aside;  // where a store that did not open lies now; empty: none
};

struct StoreOpening {
  Layout layout;
  std::shared_ptr<TrimPositions> positions;
  std::shared_ptr<StoreEvents> events;
  rocksdb::Env* env = nullptr;
  MemorySettings memory{};
};

// At start. Errors: io, full, unsupported (written by a newer version): what an operator must solve.
Result<Recovered> recover_store(const StoreOpening& opening);

// After a failed write in this process. What the files really hold is rewritten into tables, as what the last
// sync did is unknown; on a full disk, where that cannot be and no sync has failed, it is held in memory.
struct Reopened {
  std::unique_ptr<Store> store;
  Boundary end;  // of the log in it
};
Result<Reopened> reopen_store(const StoreOpening& opening, bool no_space);

// What `state` says; `first` and `end` are the default boundary where it says nothing.
struct StoreState {
  Boundary first, end;
  std::map<std::string, StoredCursor> cursors;
};
Result<StoreState> read_state(Store& store);
// The same with marks, and for each cursor the larger of the two copies: `state` and the side file.
Result<StoreState> read_progress(Store& store, const Layout& layout);
// Where the log ends: after its last record or where `state` says, whichever is later.
Boundary end_of_log(Store& store, const Boundary& at_least);

// A file that is given up when the disk is full, so that a reopening has room to write. Made when there is
// plenty of it.
void keep_reserve_file(const Layout& layout, std::uint64_t min_free_bytes);
void give_up_reserve_file(const Layout& layout);

}  // namespace spanferry::spool
