// The thread on which searches are made: they read much, and the doors' worker has others to serve. It steps
// back where the processors are busy: a search waits for spans, spans do not wait for a search.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace spanferry::ingest {

class SearchDesk {
 public:
  SearchDesk();
  ~SearchDesk();  // stops
  SearchDesk(const SearchDesk&) = delete;
  SearchDesk& operator=(const SearchDesk&) = delete;

  // Does what waits, and then nothing any more. Before what the work uses goes away. One thread.
  void stop();
  // Any thread. False: too many wait, or it has stopped.
  bool post(std::move_only_function<void()> work);
  // Of work that has begun: before what waits, without a limit.
  void go_on(std::move_only_function<void()> work);
  // The same after a while, at once when we are stopping.
  void go_on_after(std::chrono::milliseconds time, std::move_only_function<void()> work);

 private:
  void run();
  std::move_only_function<void()> next(std::unique_lock<std::mutex>& lock);  // empty: it is over

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::move_only_function<void()>> waiting_;
  std::multimap<std::chrono::steady_clock::time_point, std::move_only_function<void()>> later_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace spanferry::ingest
