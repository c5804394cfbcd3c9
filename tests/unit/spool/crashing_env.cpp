#include "tests/unit/spool/crashing_env.hpp"

#include <filesystem>

namespace spanferry::spool {
namespace {

bool is_log(const std::string& name) { return name.ends_with(".log"); }

rocksdb::IOStatus no_power() { return rocksdb::IOStatus::IOError("the power is cut"); }

bool take_one(std::atomic<int>& left) {
  int n = left.load();
  while (n > 0) {
    if (left.compare_exchange_weak(n, n - 1)) return true;
  }
  return false;
}

class CrashingFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  CrashingFile(std::unique_ptr<rocksdb::FSWritableFile>&& file, std::string name, CrashingFileSystem& system)
      : FSWritableFileOwnerWrapper(std::move(file)), name_(std::move(name)), system_(system) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
    if (!system_.powered()) return no_power();
    if (is_log(name_) && take_one(system_.failing_appends)) {
      ++system_.failed;
      return rocksdb::IOStatus::IOError("a write that failed on purpose");
    }
    size_ += data.size();
    return FSWritableFileOwnerWrapper::Append(data, options, context);
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* context) override {
    return Append(data, options, context);
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
    return sync([&] { return FSWritableFileOwnerWrapper::Sync(options, context); });
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
    return sync([&] { return FSWritableFileOwnerWrapper::Fsync(options, context); });
  }

 private:
  template <class Call>
  rocksdb::IOStatus sync(Call call) {
    if (!system_.powered()) return no_power();
    if (is_log(name_) && take_one(system_.failing_syncs)) {
      ++system_.failed;
      return rocksdb::IOStatus::IOError("a sync that failed on purpose");
    }
    auto status = call();
    if (status.ok()) system_.synced(name_, size_);
    return status;
  }

  std::string name_;
  CrashingFileSystem& system_;
  std::uint64_t size_ = 0;
};

}  // namespace

rocksdb::IOStatus CrashingFileSystem::NewWritableFile(const std::string& name,
                                                      const rocksdb::FileOptions& options,
                                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                      rocksdb::IODebugContext* context) {
  if (!powered_) return no_power();
  std::unique_ptr<rocksdb::FSWritableFile> real;
  auto status = target()->NewWritableFile(name, options, &real, context);
  if (!status.ok()) return status;
  {
    const std::scoped_lock lock(mutex_);
    synced_[name] = 0;
  }
  *file = std::make_unique<CrashingFile>(std::move(real), name, *this);
  return status;
}

rocksdb::IOStatus CrashingFileSystem::DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                                                 rocksdb::IODebugContext* context) {
  if (!powered_) return no_power();
  return target()->DeleteFile(name, options, context);
}

rocksdb::IOStatus CrashingFileSystem::RenameFile(const std::string& from, const std::string& to,
                                                 const rocksdb::IOOptions& options,
                                                 rocksdb::IODebugContext* context) {
  if (!powered_) return no_power();
  auto status = target()->RenameFile(from, to, options, context);
  const std::scoped_lock lock(mutex_);
  if (auto moved = synced_.extract(from); status.ok() && !moved.empty()) {
    moved.key() = to;
    synced_.erase(to);
    synced_.insert(std::move(moved));
  }
  return status;
}

void CrashingFileSystem::synced(const std::string& name, std::uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  synced_[name] = bytes;
}

void CrashingFileSystem::forget_unsynced() {
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, bytes] : synced_) {
    std::error_code error;
    const auto size = std::filesystem::file_size(name, error);
    if (!error && size > bytes) std::filesystem::resize_file(name, bytes, error);
  }
  synced_.clear();
}

}  // namespace spanferry::spool
