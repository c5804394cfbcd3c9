#include "spool/trim_filter.hpp"

#include <functional>

#include "spool/keys.hpp"

namespace spanferry::spool {
namespace {

using Predicate = std::function<bool(std::string_view key)>;  // true: leave it out

class SeqFilter : public rocksdb::CompactionFilter {
 public:
  explicit SeqFilter(Predicate drops) : drops_(std::move(drops)) {}
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice&, std::string*, bool*) const override {
    return drops_({key.data(), key.size()});
  }
  const char* Name() const override { return "spanferry.trim"; }

 private:
  Predicate drops_;
};

// Makes a filter from the positions as they are when a flush or compaction begins.
class Factory : public rocksdb::CompactionFilterFactory {
 public:
  explicit Factory(std::function<Predicate()> make) : make_(std::move(make)) {}
  bool ShouldFilterTableFileCreation(rocksdb::TableFileCreationReason) const override { return true; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<SeqFilter>(make_());
  }
  const char* Name() const override { return "spanferry.trim"; }

 private:
  std::function<Predicate()> make_;
};

// The log is trimmed from its beginning: one jump leaves out everything below, and without a tombstone (no
// key of the log is ever written twice, so nothing older can reappear).
class LogFilter : public rocksdb::CompactionFilter {
 public:
  explicit LogFilter(Seq first) : first_(log_key(first)) {}
  Decision FilterV2(int, const rocksdb::Slice& key, ValueType, const rocksdb::Slice&, std::string*,
                    std::string* skip_until) const override {
    if (std::string_view(key.data(), key.size()) >= first_) return Decision::kKeep;
    *skip_until = first_;
    return Decision::kRemoveAndSkipUntil;
  }
  const char* Name() const override { return "spanferry.trim-log"; }

 private:
  std::string first_;
};

class LogFactory : public rocksdb::CompactionFilterFactory {
 public:
  explicit LogFactory(std::shared_ptr<TrimPositions> positions) : positions_(std::move(positions)) {}
  bool ShouldFilterTableFileCreation(rocksdb::TableFileCreationReason) const override { return true; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<LogFilter>(positions_->log.load());
  }
  const char* Name() const override { return "spanferry.trim-log"; }

 private:
  std::shared_ptr<TrimPositions> positions_;
};

}  // namespace

void TrimPositions::set_cursor(const std::string& name, Seq durable_position) {
  const std::scoped_lock lock(mutex_);
  auto changed = std::make_shared<std::map<std::string, Seq, std::less<>>>(*cursors_);
  auto& position = (*changed)[name];
  position = std::max(position, durable_position);
  cursors_ = std::move(changed);
}

std::shared_ptr<const std::map<std::string, Seq, std::less<>>> TrimPositions::cursors() const {
  const std::scoped_lock lock(mutex_);
  return cursors_;
}

std::shared_ptr<rocksdb::CompactionFilterFactory> make_log_filter(std::shared_ptr<TrimPositions> positions) {
  return std::make_shared<LogFactory>(std::move(positions));
}

std::shared_ptr<rocksdb::CompactionFilterFactory> make_index_filter(
    std::shared_ptr<TrimPositions> positions) {
  return std::make_shared<Factory>([positions]() -> Predicate {
    return [first = positions->summaries.load()](std::string_view key) {
      const auto trace = TraceId::from_raw(key.substr(0, TraceId::kSize));
      const auto seq = trace ? parse_index_key(key, *trace) : std::nullopt;
      return seq && *seq < first;
    };
  });
}

std::shared_ptr<rocksdb::CompactionFilterFactory> make_summary_filter(
    std::shared_ptr<TrimPositions> positions) {
  return std::make_shared<Factory>([positions]() -> Predicate {
    return [first = positions->summaries.load()](std::string_view key) {
      const auto place = parse_summary_key(key);
      return place && place->seq < first;
    };
  });
}

std::shared_ptr<rocksdb::CompactionFilterFactory> make_mark_filter(std::shared_ptr<TrimPositions> positions) {
  return std::make_shared<Factory>([positions]() -> Predicate {
    return [cursors = positions->cursors()](std::string_view key) {
      const auto mark = parse_mark_key(key);
      if (!mark) return false;
      const auto cursor = cursors->find(mark->cursor);
      return cursor != cursors->end() && mark->seq < cursor->second;
    };
  });
}

}  // namespace spanferry::spool
