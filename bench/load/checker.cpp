#include "bench/load/checker.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <libdeflate.h>

namespace spanferry::bench {
namespace {

constexpr std::size_t kMaxInflated = 256ULL << 20;
constexpr std::chrono::milliseconds kCalm{1000};        // without a body before those that wait are checked
constexpr std::uint64_t kMaxWaitingBytes = 4ULL << 30;  // beyond it a body is checked before it is answered

}  // namespace

class Inflater {
 public:
  // The body of a gzip member, valid until the next call; nothing if it is none, or larger than kMaxInflated.
  std::optional<std::string_view> inflate(std::string_view body) {
    out_.resize(std::max(out_.size(), body.size() * 8 + 4096));
    std::size_t size = 0;
    auto result = LIBDEFLATE_INSUFFICIENT_SPACE;
    while (result == LIBDEFLATE_INSUFFICIENT_SPACE && out_.size() <= kMaxInflated) {
      result = libdeflate_gzip_decompress(inflater_.get(), body.data(), body.size(), out_.data(), out_.size(),
                                          &size);
      if (result == LIBDEFLATE_INSUFFICIENT_SPACE) out_.resize(out_.size() * 2);
    }
    if (result != LIBDEFLATE_SUCCESS) return std::nullopt;
    return std::string_view(out_).substr(0, size);
  }

 private:
  std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> inflater_{
      libdeflate_alloc_decompressor(), &libdeflate_free_decompressor};
  std::string out_;
};

Checker::Checker(bool later) : inflater_(std::make_unique<Inflater>()) {
  if (later) thread_ = std::thread([this] { run(); });
}

Checker::~Checker() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Checker::take(std::string_view body, bool is_gzip) {
  if (!thread_.joinable() || !enqueue(body, is_gzip)) return check(body, is_gzip);
  changed_.notify_one();
  return true;
}

void Checker::take(const TraceId& trace, const SpanId& span) {
  const std::scoped_lock lock(book_mutex_);
  book_.receive(trace, span);
}

bool Checker::enqueue(std::string_view body, bool is_gzip) {
  const std::scoped_lock lock(mutex_);
  if (waiting_bytes_ + body.size() > kMaxWaitingBytes) return false;
  last_body_ = Clock::now();
  waiting_bytes_ += body.size();
  waiting_.push_back({std::string(body), is_gzip});
  return true;
}

void Checker::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    if (const auto calm = last_body_ + kCalm; Clock::now() < calm) {
      changed_.wait_until(lock, calm, [this] { return stopping_; });
      continue;
    }
    Body body = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= body.bytes.size();
    lock.unlock();
    check(body.bytes, body.is_gzip);
    lock.lock();
  }
}

bool Checker::check(std::string_view body, bool is_gzip) {
  const std::scoped_lock lock(book_mutex_);
  const auto plain = is_gzip ? inflater_->inflate(body) : std::optional(body);
  const bool sound = plain && book_.receive(*plain);
  malformed_ += !sound;
  return sound;
}

Checker::Counts Checker::counts() const {
  Counts counts;
  const std::scoped_lock lock(book_mutex_);
  counts.spans = book_.spans();
  counts.repeated_spans = book_.repeated_spans();
  counts.foreign_spans = book_.foreign_spans();
  counts.malformed = malformed_;
  return counts;
}

void add_stats(JsonWriter& json, const Checker::Counts& counts) {
  json.field("malformed", counts.malformed).field("spans", counts.spans);
  json.field("repeated_spans", counts.repeated_spans).field("foreign_spans", counts.foreign_spans);
}

Comparison Checker::compare(const Ledger& ledger) const {
  const std::scoped_lock lock(book_mutex_);
  return book_.compare(ledger);
}

}  // namespace spanferry::bench
