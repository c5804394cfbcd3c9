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
  return std::make_shared<Factory>([positions]() -> Predicate {
    return [first = positions->log.load()](std::string_view key) {
      const auto seq = parse_log_key(key);
      return seq && *seq < first;
    };
  });
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
