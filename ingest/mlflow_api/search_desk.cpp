#include "ingest/mlflow_api/search_desk.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace spanferry::ingest {
namespace {

constexpr std::size_t kMostWaiting = 64;
constexpr int kNiceness = 10;  // where all processors are busy, a tenth of what ingest's threads get

}  // namespace

SearchDesk::SearchDesk()
    : thread_([this] {
        ::pthread_setname_np(::pthread_self(), "search");
        // Of this thread alone; refused where the process may not, and then nothing is lost but that.
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNiceness);
        run();
      }) {}

SearchDesk::~SearchDesk() { stop(); }

void SearchDesk::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool SearchDesk::post(std::move_only_function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || waiting_.size() >= kMostWaiting) return false;
  waiting_.push_back(std::move(work));
  changed_.notify_all();
  return true;
}

void SearchDesk::go_on(std::move_only_function<void()> work) {
  const std::lock_guard lock(mutex_);
  waiting_.push_front(std::move(work));
  changed_.notify_all();
}

void SearchDesk::go_on_after(std::chrono::milliseconds time, std::move_only_function<void()> work) {
  const std::lock_guard lock(mutex_);
  later_.emplace(std::chrono::steady_clock::now() + time, std::move(work));
  changed_.notify_all();
}

std::move_only_function<void()> SearchDesk::next(std::unique_lock<std::mutex>& lock) {
  while (true) {
    if (!later_.empty() && (stopping_ || later_.begin()->first <= std::chrono::steady_clock::now())) {
      auto work = std::move(later_.begin()->second);
      later_.erase(later_.begin());
      return work;
    }
    if (!waiting_.empty()) {
      auto work = std::move(waiting_.front());
      waiting_.pop_front();
      return work;
    }
    if (stopping_) return nullptr;
    if (later_.empty()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, later_.begin()->first);
    }
  }
}

void SearchDesk::run() {
  std::unique_lock lock(mutex_);
  while (auto work = next(lock)) {
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace spanferry::ingest
