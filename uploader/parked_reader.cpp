#include "uploader/parked_reader.hpp"

#include <algorithm>

#include "uploader/track.hpp"

namespace spanferry::uploader {

bool is_parked(spool::Cursor& cursor, Seq seq, const TraceId& trace) {
  if (cursor.parked().records == 0) return false;
  const auto parts = cursor.parked_of(trace);
  return !parts ||
         std::ranges::any_of(*parts, [seq](const spool::Parked& part) { return part.key.seq == seq; });
}

void ParkedReader::begin(bool probes_only) {
  probes_only_ = probes_only;
  at_end_ = false;
  after_.reset();
  ahead_.clear();
  ahead_bytes_ = 0;
}

bool ParkedReader::may_end_early() const {
  return probes_only_ && routes_ != nullptr && !routes_->probe_is_due();
}

Result<> ParkedReader::fill() {
  while (!at_end_ && ahead_bytes_ < max_batch_bytes_) {
    auto parts = cursor_.read_parked(after_, max_batch_bytes_);
    if (!parts) return std::unexpected(parts.error());
    at_end_ = parts->empty();
    for (spool::Parked& part : *parts) {
      after_ = part.key;
      Item item{{part.key.seq, part.header, part.payload}, part.payload, part.header.span_count, {}};
      ahead_bytes_ += part.payload->size();
      item.parked = std::move(part);
      ahead_.push_back(std::move(item));
    }
  }
  return {};
}

Result<std::optional<OtlpBatch>> ParkedReader::next() {
  for (;;) {
    if (may_end_early()) at_end_ = true;
    if (const auto filled = fill(); !filled) return std::unexpected(filled.error());
    if (ahead_.empty()) return std::nullopt;
    OtlpBatch batch;
    batch.route = ahead_.front().record.header.route;
    batch.entered = true;
    const bool may_go = routes_ == nullptr || routes_->enter(batch.route);
    std::deque<Item> left;
    std::size_t bytes = 0, kept_bytes = 0;
    std::uint64_t spans = 0;
    bool is_full = false;
    for (Item& item : ahead_) {
      const std::size_t size = item.payload->size();
      const bool is_of_it = routes_ == nullptr || item.record.header.route == batch.route;
      if (is_of_it && !may_go) continue;  // it stays where it is
      if (is_of_it && !batch.items.empty() &&
          (bytes + size > max_batch_bytes_ || spans + item.spans > kMaxBatchSpans))
        is_full = true;
      if (is_of_it && !is_full) {
        bytes += size;
        spans += item.spans;
        batch.items.push_back(std::move(item));
      } else {
        kept_bytes += size;
        left.push_back(std::move(item));
      }
    }
    ahead_ = std::move(left);
    ahead_bytes_ = kept_bytes;
    if (!batch.items.empty()) return batch;
  }
}

}  // namespace spanferry::uploader
