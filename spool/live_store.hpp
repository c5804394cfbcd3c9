// The store while it lives: shared by readers and the commit thread, closed and reopened under their feet
// after a failed write. Any thread may take access; only the commit thread closes and reopens.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>

#include "spool/store.hpp"

namespace spanferry::spool {

class LiveStore {
 public:
  // Holds the store open as long as it lives. False while there is none.
  class Access {
   public:
    explicit Access(LiveStore& live) : lock_(live.mutex_), store_(live.store_.get()) {}
    explicit operator bool() const { return store_ != nullptr; }
    Store& operator*() const { return *store_; }
    Store* operator->() const { return store_; }

   private:
    std::shared_lock<std::shared_mutex> lock_;
    Store* store_;
  };

  // The right to write, held by one thread at a time. False once a write has failed, until another store is
  // set: RocksDB's log writer aborts the process when it is used again after an error.
  class Writing {
   public:
    explicit Writing(LiveStore& live) : live_(live), lock_(live.writing_) {}
    explicit operator bool() const { return !live_.write_failed_; }
    void failed() { live_.write_failed_ = true; }

   private:
    LiveStore& live_;
    std::unique_lock<std::mutex> lock_;
  };

  Access access() { return Access(*this); }
  // Taken after Access, if both are.
  Writing writing() { return Writing(*this); }
  void set(std::unique_ptr<Store> store) {
    const std::unique_lock lock(mutex_);
    const std::scoped_lock no_writer(writing_);
    store_ = std::move(store);
    write_failed_ = false;
  }
  // Waits for those who have access.
  void close() { set(nullptr); }

 private:
  std::shared_mutex mutex_;
  std::mutex writing_;
  bool write_failed_ = false;  // guarded by writing_
  std::unique_ptr<Store> store_;
};

inline std::unexpected<Error> store_is_closed() {
  return fail(ErrorKind::unavailable, "the spool's store is being reopened after a failed write");
}

}  // namespace spanferry::spool
