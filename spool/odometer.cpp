#include "spool/odometer.hpp"

#include <algorithm>

#include <rocksdb/metadata.h>

#include "spool/keys.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {
namespace {

constexpr std::uint64_t kMarkBytes = 256U << 10;

}  // namespace

void Odometer::start(Store& store, Seq end, std::int64_t now_s) {
  std::vector<rocksdb::LiveFileMetaData> files;
  store.db().GetLiveFilesMetaData(&files);
  for (const auto& file : files) {
    const auto seq = file.column_family_name == "log" ? parse_log_key(file.smallestkey) : std::nullopt;
    const auto time = static_cast<std::int64_t>(file.file_creation_time);
    if (seq) marks_.push_back({*seq, file.size, time > 0 ? time : now_s});
  }
  std::sort(marks_.begin(), marks_.end(), [](const Mark& a, const Mark& b) { return a.seq < b.seq; });
  for (auto& mark : marks_) {
    const auto size = mark.bytes;
    mark.bytes = before_start_;
    before_start_ += size;
  }
  bytes_ = before_start_;
  marks_.push_back({end, bytes_, now_s});
}

void Odometer::note(Seq end, std::uint64_t bytes, std::int64_t now_s) {
  bytes_ = before_start_ + bytes;
  const Mark& last = marks_.back();
  if (end == last.seq || (bytes_ < last.bytes + kMarkBytes && now_s <= last.time_s)) return;
  marks_.push_back({end, bytes_, now_s});
  if (marks_.size() > kOdometerMarks) thin();
}

// Every other mark of the older half goes.
void Odometer::thin() {
  std::deque<Mark> kept;
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    if (i >= marks_.size() / 2 || i % 2 == 0) kept.push_back(marks_[i]);
  }
  marks_ = std::move(kept);
}

std::optional<Odometer::Mark> Odometer::bytes_back(std::uint64_t bytes) const {
  if (bytes > bytes_) return std::nullopt;
  const std::uint64_t target = bytes_ - bytes;
  for (std::size_t i = marks_.size(); i-- > 0;) {
    const Mark& mark = marks_[i];
    if (mark.bytes > target) continue;
    if (i + 1 == marks_.size() || marks_[i + 1].bytes <= mark.bytes) return mark;
    // Records between two marks are taken to be of one size.
    const Mark& next = marks_[i + 1];
    const double part =
        static_cast<double>(target - mark.bytes) / static_cast<double>(next.bytes - mark.bytes);
    const auto seqs = static_cast<Seq>(static_cast<double>(next.seq - mark.seq) * part);
    return Mark{mark.seq + seqs, target, mark.time_s};
  }
  return std::nullopt;
}

std::optional<Odometer::Mark> Odometer::older_than(std::int64_t time_s) const {
  for (auto it = marks_.rbegin(); it != marks_.rend(); ++it) {
    if (it->time_s <= time_s) return *it;
  }
  return std::nullopt;
}

std::optional<Odometer::Mark> Odometer::bytes_after(Seq seq, std::uint64_t bytes) const {
  std::optional<std::uint64_t> start;
  for (const auto& mark : marks_) {
    if (mark.seq < seq) continue;
    if (!start) start = mark.bytes;
    if (mark.bytes >= *start + bytes) return mark;
  }
  return std::nullopt;
}

}  // namespace spanferry::spool
