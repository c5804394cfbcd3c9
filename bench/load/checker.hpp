// What the backend makes of the bodies it was given: every span is inflated, read and booked, either before
// the body is answered or later, by a thread that gets only what time others leave. On a machine that is
// shared with what is measured, the second is the nearer to a backend elsewhere, which costs its sender
// nothing.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "bench/load/book.hpp"
#include "bench/load/ledger.hpp"
#include "model/json_writer.hpp"

namespace spanferry::bench {

class Inflater;

class Checker {
 public:
  explicit Checker(bool later);
  ~Checker();
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  // Takes one body. False: it is known to be no OTLP request (never when it is checked later).
  bool take(std::string_view body, bool is_gzip);

  // One span, at once.
  void take(const TraceId& trace, const SpanId& span);

  struct Counts {
    std::uint64_t spans = 0, repeated_spans = 0, foreign_spans = 0, malformed = 0;
  };
  // Of what has been checked by now.
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] Comparison compare(const Ledger& ledger) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Body {
    std::string bytes;
    bool is_gzip = false;
  };

  bool enqueue(std::string_view body, bool is_gzip);  // false: too much waits already
  void run();
  bool check(std::string_view body, bool is_gzip);

  const std::unique_ptr<Inflater> inflater_;  // of whoever holds book_mutex_
  mutable std::mutex book_mutex_;
  Book book_;                    // guarded by book_mutex_
  std::uint64_t malformed_ = 0;  // guarded by book_mutex_

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Body> waiting_;         // guarded by mutex_
  std::uint64_t waiting_bytes_ = 0;  // guarded by mutex_
  Clock::time_point last_body_;      // guarded by mutex_
  bool stopping_ = false;            // guarded by mutex_
  std::thread thread_;               // only if `later`
};

void add_stats(JsonWriter& json, const Checker::Counts& counts);

}  // namespace spanferry::bench
