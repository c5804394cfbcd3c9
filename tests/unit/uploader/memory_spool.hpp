// A spool in memory with the contract of spool/spool.hpp as far as readers see it, for tests of tracks.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "spool/limits.hpp"
#include "spool/spool.hpp"
#include "spool/summary.hpp"

namespace spanferry::testing {

class MemoryCursor final : public spool::Cursor {
 public:
  MemoryCursor(std::string name, const std::vector<Record>& log, Seq from, std::recursive_mutex& mutex)
      : name_(std::move(name)), log_(log), position_(from), mutex_(mutex) {}

  const std::string& name() const override { return name_; }
  Seq position() const override {
    const std::lock_guard lock(mutex_);
    return position_;
  }
  bool settled(Seq seq) const override {
    const std::lock_guard lock(mutex_);
    return seq < position_ || whole_.contains(seq);
  }
  bool settled(Seq seq, const TraceId& trace) const override {
    const std::lock_guard lock(mutex_);
    const auto found = traces_.find(seq);
    return settled(seq) || (found != traces_.end() && found->second.contains(trace));
  }
  void settle(std::vector<spool::Settled> all) override {
    const std::lock_guard lock(mutex_);
    for (spool::Settled& one : all) {
      if (one.trace ? settled(one.seq, *one.trace) : settled(one.seq)) continue;
      accounting_.settled += one.counts;
      for (const spool::Parked& part : one.parked) parked_parts[part.key] = part;
      for (auto& letter : one.dead) dead.push_back(std::move(letter));
      if (one.trace) {
        traces_[one.seq].insert(*one.trace);
        if (traces_[one.seq].size() == one.record_traces) whole_.insert(one.seq);
      } else {
        whole_.insert(one.seq);
      }
    }
    while (position_ <= log_.size() && whole_.contains(position_)) ++position_;
  }
  void settle(const spool::Gap& gap) override {
    const std::lock_guard lock(mutex_);
    gaps.push_back(gap);
    accounting_.settled[Outcome::lost] += gap.spans;
    for (Seq seq = gap.first; seq <= gap.last; ++seq) whole_.insert(seq);
    while (whole_.contains(position_)) ++position_;
  }
  void when_written(std::move_only_function<void()> done) override { done(); }
  Accounting accounting() const override {
    const std::lock_guard lock(mutex_);
    Accounting out = accounting_;
    for (const Record& record : log_) {
      out.accepted += record.header.span_count;
      if (!settled(record.seq)) out.pending += record.header.span_count;
    }
    for (const auto& [key, part] : parked_parts) out.pending += part.header.span_count;
    return out;
  }
  std::uint64_t lag_records() const override {
    const std::lock_guard lock(mutex_);
    return log_.size() + 1 - position_;
  }
  std::int64_t oldest_pending_ns() const override {
    const std::lock_guard lock(mutex_);
    return position_ <= log_.size() ? log_[position_ - 1].header.received_ns : 0;
  }

  void limit_lag(std::optional<std::uint64_t>) override {}
  spool::ParkedTotals parked() const override {
    const std::lock_guard lock(mutex_);
    return {.records = parked_parts.size(), .spans = 0, .bytes = 0, .revived = revived};
  }
  Result<std::vector<spool::Parked>> read_parked(const std::optional<spool::ParkedKey>& after,
                                                 std::size_t max_bytes) override {
    const std::lock_guard lock(mutex_);
    std::vector<spool::Parked> parts;
    std::size_t bytes = 0;
    for (auto it = after ? parked_parts.upper_bound(*after) : parked_parts.begin(); it != parked_parts.end();
         ++it) {
      bytes += it->second.payload->size();
      if (!parts.empty() && bytes > max_bytes) break;
      parts.push_back(it->second);
    }
    return parts;
  }
  Result<std::vector<spool::Parked>> parked_of(const TraceId& trace) override {
    const std::lock_guard lock(mutex_);
    std::vector<spool::Parked> parts;
    for (const auto& [key, part] : parked_parts)
      if (key.trace == trace) parts.push_back(part);
    return parts;
  }
  void settle_parked(std::vector<spool::SettledParked> all) override {
    const std::lock_guard lock(mutex_);
    for (spool::SettledParked& one : all) {
      if (parked_parts.erase(one.key) == 0) continue;
      accounting_.settled += one.counts;
      for (auto& letter : one.dead) dead.push_back(std::move(letter));
    }
  }
  std::uint64_t dead_letters() const override { return dead.size(); }
  // As an operator does who has a dead letter tried again.
  void take_back(std::size_t letter) {
    const std::lock_guard lock(mutex_);
    spool::Parked part = spool::parked_letter(std::move(dead[letter]));
    dead.erase(dead.begin() + static_cast<std::ptrdiff_t>(letter));
    accounting_.settled[Outcome::dead] -= part.header.span_count;
    parked_parts[part.key] = std::move(part);
    ++revived;
  }

  std::vector<spool::DeadLetter> dead;
  std::vector<spool::Gap> gaps;
  std::map<spool::ParkedKey, spool::Parked> parked_parts;
  std::uint64_t revived = 0;

 private:
  const std::string name_;
  const std::vector<Record>& log_;
  Seq position_;
  std::recursive_mutex& mutex_;
  std::set<Seq> whole_;
  std::map<Seq, std::set<TraceId>> traces_;
  Accounting accounting_;
};

class MemorySpool final : public spool::Spool {
 public:
  void append(std::vector<spool::Entry> entries, spool::AppendHandler done) override {
    const std::lock_guard lock(mutex_);
    spool::Appended appended{end(), 0};
    for (spool::Entry& entry : entries) {
      entry.header.trace_count = static_cast<std::uint32_t>(entry.traces.size());
      if (entry.traces.size() == 1) entry.header.only_trace = entry.traces[0];
      log.push_back({end(), entry.header, entry.payload});
      for (const TraceId& trace : entry.traces) index_[trace].push_back(log.back().seq);
    }
    appended.last = end() - 1;
    if (done) done(appended);
    for (const auto& [id, notify] : notify_) notify();
  }
  bool accepting() const override { return true; }
  Result<spool::ReadBatch> read(Seq from, std::size_t max_bytes, std::size_t max_records) override {
    const std::lock_guard lock(mutex_);
    spool::ReadBatch batch;
    std::size_t bytes = 0;
    for (batch.next = from; batch.next < end() && batch.records.size() < max_records; ++batch.next) {
      const Record& record = log[batch.next - 1];
      if (!batch.records.empty() && bytes + record.payload->size() > max_bytes) break;
      if (lost.contains(record.seq)) {
        batch.gaps.push_back({record.seq, record.seq, 1, record.header.span_count});
        continue;
      }
      bytes += record.payload->size();
      batch.records.push_back(record);
    }
    return batch;
  }
  Result<std::optional<Record>> get(Seq seq) override {
    const std::lock_guard lock(mutex_);
    if (fails_after_reads && reads_++ >= *fails_after_reads) {
      ++failed_reads;
      return fail(ErrorKind::io, "the disk says no");
    }
    if (const auto damaged = damaged_after_reads.find(seq); damaged != damaged_after_reads.end())
      if (damaged->second-- <= 0) return fail(ErrorKind::damaged, "its checksum is wrong");
    if (seq < trimmed_ || seq == 0 || seq >= end()) return std::nullopt;
    return log[seq - 1];
  }
  Result<std::vector<Seq>> records_of(const TraceId& trace) override {
    const std::lock_guard lock(mutex_);
    std::vector<Seq> there = index_[trace];
    std::erase_if(there, [this](Seq seq) { return seq < trimmed_; });
    return there;
  }
  Seq end() const override {
    const std::lock_guard lock(mutex_);
    return log.size() + 1;
  }
  Seq first() const override { return 1; }
  Subscription subscribe(std::function<void()> notify) override {
    const std::lock_guard lock(mutex_);
    const int id = ++subscriptions_;
    notify_[id] = std::move(notify);
    return {this, [this, id](void*) {
              const std::lock_guard unsubscribe(mutex_);
              notify_.erase(id);
            }};
  }
  Result<spool::Cursor*> cursor(const std::string& name, From from) override {
    const std::lock_guard lock(mutex_);
    released.erase(name);
    return &cursor_of(name, from);
  }
  std::vector<std::string> orphaned_cursors() override { return {}; }
  void release(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    released.insert(name);
  }
  void forget(const std::string&, std::move_only_function<void(Result<>)> done) override { done({}); }
  void retain(const spool::Settings&) override {}
  void hold_routes(const std::string&, std::vector<Route> routes) override {
    const std::lock_guard lock(mutex_);
    held_routes = std::move(routes);
  }
  void put(std::string key, std::string value, std::move_only_function<void(Result<>)> done) override {
    const std::lock_guard lock(mutex_);
    if (value.size() > spool::kMaxPutValueBytes) {
      if (done) done(fail(ErrorKind::too_large, "more than a value may have"));
      return;
    }
    values[std::move(key)] = std::move(value);
    if (done) done({});
  }
  void erase(std::string key) override { values.erase(key); }
  Result<std::optional<std::string>> load(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    const auto found = values.find(std::string(key));
    return found == values.end() ? std::optional<std::string>{} : found->second;
  }
  Result<std::vector<spool::DeadLetter>> dead_letters(std::string_view, std::size_t) override { return {}; }
  Result<std::optional<spool::DeadLetter>> dead_letter(std::string_view) override { return std::nullopt; }
  Result<std::uint64_t> drop_dead_letters(std::string_view) override { return 0; }
  Result<std::uint64_t> retry_dead_letters(std::string_view) override { return 0; }
  Result<std::vector<spool::TraceSummary>> traces(std::size_t, Seq) override { return summaries; }
  Result<std::optional<spool::TraceSummary>> summary_of(const TraceId& trace) override {
    const auto found = std::ranges::find(summaries, trace, &spool::TraceSummary::trace_id);
    return found == summaries.end() ? std::nullopt : std::optional(*found);
  }
  Result<> glance(const std::function<bool(const spool::TraceGlance&)>& visit) override {
    for (const spool::TraceSummary& one : summaries) {
      const std::string bytes = spool::encode(one);
      if (!visit(*spool::glance_at(one.last_seq, one.trace_id, bytes))) break;
    }
    return {};
  }
  SpoolStatus status() const override {
    const std::lock_guard lock(mutex_);
    SpoolStatus status;
    for (const Record& record : log) status.appended_spans += record.header.span_count;
    return status;
  }

  // As after a trim: all that every reader is done with.
  void forget_payloads() {
    const std::lock_guard lock(mutex_);
    trimmed_ = end();
    for (const auto& [name, cursor] : cursors_) trimmed_ = std::min(trimmed_, cursor->position());
  }
  MemoryCursor& cursor_of(const std::string& name, From from = From::oldest) {
    auto& cursor = cursors_[name];
    if (!cursor)
      cursor = std::make_unique<MemoryCursor>(
          name, log, cursors_.size() == 1 || from == From::oldest ? 1 : end(), mutex_);
    return *cursor;
  }

  std::vector<Record> log;  // seq - 1
  std::vector<spool::TraceSummary> summaries;
  std::set<Seq> lost;
  std::optional<int> fails_after_reads;  // of single records
  int failed_reads = 0;
  std::map<Seq, int> damaged_after_reads;
  std::set<std::string> released;  // cursors
  std::map<std::string, std::string> values;
  std::vector<Route> held_routes;

 private:
  mutable std::recursive_mutex mutex_;  // of the cursors too
  std::map<TraceId, std::vector<Seq>> index_;
  Seq trimmed_ = 0;
  int reads_ = 0;
  std::map<std::string, std::unique_ptr<MemoryCursor>> cursors_;
  int subscriptions_ = 0;
  std::map<int, std::function<void()>> notify_;
};

}  // namespace spanferry::testing
