#include "spool/store.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <spdlog/spdlog.h>

#include "spool/checksum_override.hpp"
#include "spool/directory.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {
namespace {

constexpr std::array<const char*, kFamilies> kFamilyNames{"log",    "index",  "state",
                                                          "traces", "parked", "dead"};

class Listener : public rocksdb::EventListener {
 public:
  explicit Listener(std::shared_ptr<StoreEvents> events) : events_(std::move(events)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    if (status->IsNoSpace()) events_->no_space = true;
    if (!events_->background_error.exchange(true)) {
      spdlog::warn("spool: the store met an error in the background: {}", status->ToString());
    }
  }
  // Not by RocksDB: we close the store and reopen it, and its close would wait for this recovery, which on a
  // full filesystem has no end.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override {
    *auto_recovery = false;
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) override {
    if (info.cf_name == kFamilyNames[0]) events_->log_compacted_bytes += info.stats.total_output_bytes;
  }
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { ++events_->flushed_tables; }

 private:
  std::shared_ptr<StoreEvents> events_;
};

rocksdb::DBOptions db_options(const StoreOptions& options) {
  rocksdb::DBOptions db;
  db.env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  db.create_if_missing = options.create;
  db.create_missing_column_families = true;
  db.manual_wal_flush = true;
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
  db.wal_compression = rocksdb::kNoCompression;
  db.recycle_log_file_num = 0;  // our own WAL check reads the plain format
  db.max_total_wal_size = options.hold_memtables ? options.memory.held_bytes : kWalBytes;
  db.avoid_flush_during_recovery = true;
  db.avoid_flush_during_shutdown = true;       // a clean stop flushes by itself, a failed store must not
  db.allow_concurrent_memtable_write = false;  // one thread writes
  db.max_bgerror_resume_count = 0;             // we reopen instead
  db.max_open_files = kOpenTables;
  db.skip_stats_update_on_db_open = true;
  db.skip_checking_sst_file_sizes_on_db_open = true;
  db.max_background_jobs = 2;
  db.bytes_per_sync = 1U << 20;
  db.max_log_file_size = kRocksLogBytes;
  db.keep_log_file_num = kRocksLogFiles;
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  if (options.events) db.listeners.push_back(std::make_shared<Listener>(options.events));
  return db;
}

rocksdb::ColumnFamilyOptions family_options(Family family, const StoreOptions& options,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions cf;
  cf.write_buffer_size = kSmallBufferBytes;
  cf.max_write_buffer_number = 2;
  cf.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 16U << 10;
  table.format_version = 5;
  switch (family) {
    case Family::log:
      // Tables come in order of seq and never overlap: they move down one by one, without being rewritten.
      cf.write_buffer_size =
          options.hold_memtables ? options.memory.held_bytes : options.memory.log_buffer_bytes;
      cf.max_write_buffer_number = kLogBuffers;
      cf.num_levels = 2;
      cf.level0_file_num_compaction_trigger = 1;
      cf.level0_slowdown_writes_trigger = 40;
      cf.level0_stop_writes_trigger = 60;
      if (options.positions) cf.compaction_filter_factory = make_log_filter(options.positions);
      break;
    case Family::index:
      // Without a filter: iterators alone read it, which ask none, and one takes 10 bits of memory a trace.
      cf.write_buffer_size = kIndexBufferBytes;
      cf.compression = rocksdb::kLZ4Compression;
      if (options.positions) cf.compaction_filter_factory = make_index_filter(options.positions);
      break;
    case Family::state:
      if (options.positions) cf.compaction_filter_factory = make_mark_filter(options.positions);
      break;
    case Family::traces:
      cf.compression = rocksdb::kLZ4Compression;
      if (options.positions) cf.compaction_filter_factory = make_summary_filter(options.positions);
      break;
    case Family::parked:
    case Family::dead:
      cf.compression = rocksdb::kLZ4Compression;
      break;
  }
  cf.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return cf;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
  if (!checksum_is_overridden())
    spdlog::debug("spool: RocksDB takes its checksums by itself, which is slower");
  const auto cache = rocksdb::NewLRUCache(options.memory.block_cache_bytes, 0);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, family_options(Family::parked, options, cache));
  for (std::size_t i = 0; i < kFamilies; ++i) {
    descriptors.emplace_back(kFamilyNames[i], family_options(static_cast<Family>(i), options, cache));
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const auto status =
      options.read_only
          ? rocksdb::DB::OpenForReadOnly(db_options(options), options.directory, descriptors, &handles, &db)
          : rocksdb::DB::Open(db_options(options), options.directory, descriptors, &handles, &db);
  if (!status.ok()) return std::unexpected(error_of(status, "cannot open the store " + options.directory));
  std::unique_ptr<Store> store(new Store(options.memory));
  store->db_.reset(db);
  store->default_family_ = handles.front();
  std::copy(handles.begin() + 1, handles.end(), store->families_.begin());
  return store;
}

Store::~Store() {
  for (auto* handle : families_) db_->DestroyColumnFamilyHandle(handle);
  db_->DestroyColumnFamilyHandle(default_family_);
  const auto status = db_->Close();
  if (!status.ok()) spdlog::debug("spool: closing the store: {}", status.ToString());
}

Result<> Store::flush() {
  const std::vector<rocksdb::ColumnFamilyHandle*> all(families_.begin(), families_.end());
  const auto status = db_->Flush(rocksdb::FlushOptions{}, all);
  if (!status.ok()) return std::unexpected(error_of(status, "cannot flush the store"));
  return {};
}

Result<> Store::release() {
  auto status =
      db_->SetOptions(family(Family::log), {{"write_buffer_size", std::to_string(log_buffer_bytes_)}});
  if (status.ok()) status = db_->SetDBOptions({{"max_total_wal_size", std::to_string(kWalBytes)}});
  if (!status.ok()) return std::unexpected(error_of(status, "cannot go back to small write buffers"));
  return {};
}

bool store_exists(const std::string& directory) {
  for (const auto& name : list_directory(directory)) {
    if (name.ends_with(".sst") || name.ends_with(".log") || name.starts_with("MANIFEST-") ||
        name == "CURRENT") {
      return true;
    }
  }
  return false;
}

Error error_of(const rocksdb::Status& status, std::string_view doing) {
  ErrorKind kind = ErrorKind::io;
  if (status.IsNoSpace()) {
    kind = ErrorKind::full;
  } else if (status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound() ||
             status.IsInvalidArgument() || status.IsNotSupported()) {
    kind = ErrorKind::damaged;
  }
  return {kind, std::string(doing) + ": " + status.ToString()};
}

}  // namespace spanferry::spool
