// A file system that forgets what was never synced, and whose syncs can be made to fail: the power cut and
// the dying disk of the spool's tests. It remembers how much of each file was synced and cuts off the rest.
// Names (renames, deletions) count as durable at once.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace spanferry::spool {

class CrashingFileSystem : public rocksdb::FileSystemWrapper {
 public:
  CrashingFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "CrashingFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override;

  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override;

  // From now on nothing reaches the files any more; every call fails.
  void cut_power() { powered_ = false; }
  // After everything is closed: files keep what was synced of them.
  void forget_unsynced();
  void restore_power() { powered_ = true; }

  std::atomic<int> failing_syncs{0};    // that many of the next syncs of logs fail
  std::atomic<int> failing_appends{0};  // that many of the next writes to logs fail
  std::atomic<int> failed{0};           // how many did

  // Of the open files, called by them.
  [[nodiscard]] bool powered() const { return powered_; }
  void synced(const std::string& name, std::uint64_t bytes);

 private:
  std::atomic<bool> powered_{true};
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> synced_;  // of files made here
};

}  // namespace spanferry::spool
