// The store while it lives: shared by readers and the commit thread, closed and reopened under their feet
// after a failed write. Any thread may take access; only the commit thread closes and reopens.
#pragma once

#include <memory>
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

  Access access() { return Access(*this); }
  void set(std::unique_ptr<Store> store) {
    const std::unique_lock lock(mutex_);
    store_ = std::move(store);
  }
  // Waits for those who have access.
  void close() { set(nullptr); }

 private:
  std::shared_mutex mutex_;
  std::unique_ptr<Store> store_;
};

inline std::unexpected<Error> store_is_closed() {
  return fail(ErrorKind::unavailable, "the spool's store is being reopened after a failed write");
}

}  // namespace spanferry::spool
