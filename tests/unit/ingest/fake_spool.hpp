// A spool in memory, for the faults of a real one: full, slow to commit, not accepting.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "spool/spool.hpp"
#include "spool/summary.hpp"

namespace spanferry::test {

// Appends complete on a thread of its own, as in the real one, unless they are held.
class FakeSpool final : public spool::Spool {
 public:
  FakeSpool() : commit_([this] { run(); }) {}
  ~FakeSpool() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      held_ = false;
    }
    changed_.notify_all();
    commit_.join();
  }

  // From now on appends stay under way until release().
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void release() {
    {
      const std::lock_guard lock(mutex_);
      held_ = false;
    }
    changed_.notify_all();
  }
  void refuse_appends(std::optional<Error> error) {
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(error);
  }
  void set_accepting(bool accepting) {
    const std::lock_guard lock(mutex_);
    accepting_ = accepting;
  }
  void add_summary(spool::TraceSummary summary) { summaries_.push_back(std::move(summary)); }
  void add_dead_letter(spool::DeadLetter letter) { letters_.push_back(std::move(letter)); }

  [[nodiscard]] std::vector<Record> records() const {
    const std::lock_guard lock(mutex_);
    return records_;
  }
  // How many calls of append there were, and how many wait.
  [[nodiscard]] std::size_t appends() const {
    const std::lock_guard lock(mutex_);
    return appends_;
  }
  bool wait_for_appends(std::size_t n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return appends_ >= n; });
  }
  bool wait_for_records(std::size_t n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return records_.size() >= n; });
  }

  void append(std::vector<spool::Entry> entries, spool::AppendHandler done) override {
    {
      const std::lock_guard lock(mutex_);
      ++appends_;
      queue_.push_back({std::move(entries), std::move(done), {}});
    }
    changed_.notify_all();
  }
  [[nodiscard]] bool accepting() const override {
    const std::lock_guard lock(mutex_);
    return accepting_;
  }
  Result<spool::ReadBatch> read(Seq, std::size_t, std::size_t) override { return spool::ReadBatch{}; }
  Result<std::optional<Record>> get(Seq seq) override {
    const std::lock_guard lock(mutex_);
    if (seq == 0 || seq > records_.size()) return std::nullopt;
    return records_[seq - 1];
  }
  Result<std::vector<Seq>> records_of(const TraceId& trace) override {
    const std::lock_guard lock(mutex_);
    return index_[trace];
  }
  [[nodiscard]] Seq end() const override {
    const std::lock_guard lock(mutex_);
    return records_.size() + 1;
  }
  [[nodiscard]] Seq first() const override { return 1; }
  Subscription subscribe(std::function<void()>) override { return {}; }
  Result<spool::Cursor*> cursor(const std::string&, From) override {
    return fail(ErrorKind::unsupported, "no cursors here");
  }
  std::vector<std::string> orphaned_cursors() override { return {}; }
  void release(const std::string&) override {}
  void forget(const std::string&, std::move_only_function<void(Result<>)> done) override { done({}); }
  void retain(const spool::Settings&) override {}
  void hold_routes(const std::string&, std::vector<Route>) override {}
  void put(std::string key, std::string value, std::move_only_function<void(Result<>)> done) override {
    {
      const std::lock_guard lock(mutex_);
      values_.insert_or_assign(std::move(key), std::move(value));
      queue_.push_back({{}, {}, std::move(done)});
    }
    changed_.notify_all();
  }
  void erase(std::string key) override {
    const std::lock_guard lock(mutex_);
    values_.erase(key);
  }
  Result<std::optional<std::string>> load(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    const auto it = values_.find(std::string(key));
    return it == values_.end() ? std::nullopt : std::optional(it->second);
  }
  Result<std::vector<spool::DeadLetter>> dead_letters(std::string_view, std::size_t limit) override {
    return std::vector(letters_.begin(),
                       letters_.begin() + static_cast<std::ptrdiff_t>(std::min(limit, letters_.size())));
  }
  Result<std::optional<spool::DeadLetter>> dead_letter(std::string_view id) override {
    for (const auto& letter : letters_)
      if (letter.id() == id) return letter;
    return std::nullopt;
  }
  Result<std::uint64_t> drop_dead_letters(std::string_view which) override {
    const auto dropped = std::erase_if(letters_, [which](const spool::DeadLetter& letter) {
      return letter.id() == which || letter.destination == which;
    });
    if (dropped == 0) return fail(ErrorKind::not_found, "no such letter");
    return dropped;
  }
  Result<std::uint64_t> retry_dead_letters(std::string_view which) override {
    return drop_dead_letters(which);
  }
  Result<std::vector<spool::TraceSummary>> traces(std::size_t limit, Seq before) override {
    std::vector<spool::TraceSummary> found;
    for (const auto& summary : summaries_) {
      if (found.size() < limit && (before == 0 || summary.last_seq < before)) found.push_back(summary);
    }
    return found;
  }
  Result<std::optional<spool::TraceSummary>> summary_of(const TraceId& trace) override {
    std::optional<spool::TraceSummary> found;
    for (const auto& summary : summaries_)
      if (summary.trace_id == trace) found = summary;
    const std::lock_guard lock(mutex_);
    for (const Record& record : records_)
      for (auto& one : spool::summarize(record)) {
        if (one.trace_id != trace) continue;
        if (found) spool::merge(*found, one);
        if (!found) found = std::move(one);
      }
    return found;
  }
  Result<> glance(const std::function<bool(const spool::TraceGlance&)>& visit) override {
    std::vector<Record> records;
    {
      const std::lock_guard lock(mutex_);
      records.assign(records_.rbegin(), records_.rend());
    }
    for (const Record& record : records)
      for (const auto& one : spool::summarize(record)) {
        const std::string bytes = spool::encode(one);
        if (!visit(*spool::glance_at(record.seq, one.trace_id, bytes))) return {};
      }
    return {};
  }
  [[nodiscard]] SpoolStatus status() const override {
    const std::lock_guard lock(mutex_);
    SpoolStatus status;
    status.directory = "/memory";
    status.records = status.appended_records = records_.size();
    for (const Record& record : records_) status.spans += record.header.span_count;
    status.appended_spans = status.spans;
    status.accepting = accepting_;
    if (!accepting_) status.not_accepting_reason = "max_bytes";
    return status;
  }

 private:
  struct Waiting {
    std::vector<spool::Entry> entries;
    spool::AppendHandler done;
    std::move_only_function<void(Result<>)> put_done;
  };

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || (!held_ && !queue_.empty()); });
      if (queue_.empty() && stopping_) return;
      Waiting waiting = std::move(queue_.front());
      queue_.pop_front();
      if (waiting.put_done) {
        lock.unlock();
        waiting.put_done({});
        lock.lock();
        continue;
      }
      if (!waiting.done) continue;
      Result<spool::Appended> result =
          refusal_ ? Result<spool::Appended>(std::unexpected(*refusal_)) : keep(waiting.entries);
      changed_.notify_all();
      lock.unlock();
      waiting.done(std::move(result));
      lock.lock();
    }
  }

  spool::Appended keep(std::vector<spool::Entry>& entries) {
    spool::Appended appended{records_.size() + 1, records_.size() + entries.size()};
    for (auto& entry : entries) {
      const Seq seq = records_.size() + 1;
      for (const TraceId& trace : entry.traces) index_[trace].push_back(seq);
      records_.push_back({seq, std::move(entry.header), std::move(entry.payload)});
    }
    return appended;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> queue_;
  std::vector<Record> records_;
  std::map<TraceId, std::vector<Seq>> index_;
  std::map<std::string, std::string> values_;
  std::vector<spool::TraceSummary> summaries_;
  std::vector<spool::DeadLetter> letters_;
  std::optional<Error> refusal_;
  std::size_t appends_ = 0;
  bool held_ = false, stopping_ = false, accepting_ = true;
  std::thread commit_;
};

}  // namespace spanferry::test
