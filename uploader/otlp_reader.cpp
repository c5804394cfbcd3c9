#include "uploader/otlp_reader.hpp"

#include <tuple>

#include "model/otlp_scan.hpp"

namespace spanferry::uploader {
namespace {

bool is_before(const Route& a, const Route& b) {
  return std::tie(a.experiment_id, a.experiment_name) < std::tie(b.experiment_id, b.experiment_name);
}

}  // namespace

OtlpReader::OtlpReader(spool::Spool& spool, spool::Cursor& cursor, std::size_t max_batch_bytes,
                       bool by_experiment)
    : spool_(spool),
      cursor_(cursor),
      max_batch_bytes_(max_batch_bytes),
      by_experiment_(by_experiment),
      next_(cursor.position()),
      end_at_start_(spool.end()) {}

bool OtlpReader::has_room() const {
  // One batch's worth; two where records of several experiments are sorted out.
  const std::size_t bytes = by_experiment_ ? 2 * max_batch_bytes_ : max_batch_bytes_;
  return ahead_bytes_ < bytes && ahead_.size() < kMaxAheadRecords;
}

bool OtlpReader::same_route(const Route& a, const Route& b) const {
  return !by_experiment_ || (a.experiment_id == b.experiment_id && a.experiment_name == b.experiment_name);
}

// Their names go round: the one after the last, or else the first.
Route OtlpReader::next_route() const {
  if (!by_experiment_) return ahead_.front().record.header.route;
  const Route *first = nullptr, *next = nullptr;
  for (const Item& item : ahead_) {
    const Route* route = &item.record.header.route;
    if (first == nullptr || is_before(*route, *first)) first = route;
    if (is_before(last_, *route) && (next == nullptr || is_before(*route, *next))) next = route;
  }
  return next != nullptr ? *next : *first;
}

Result<std::optional<OtlpBatch>> OtlpReader::next() {
  while (has_room()) {
    const auto more = read_more();
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
  }
  leave_out_settled();
  if (ahead_.empty()) return std::nullopt;
  OtlpBatch batch;
  batch.route = last_ = next_route();
  std::deque<Item> left;
  std::size_t bytes = 0;
  std::uint64_t spans = 0;
  bool is_full = false;
  for (Item& item : ahead_) {
    const std::size_t size = item.payload->size();
    const bool is_ours = !is_full && same_route(item.record.header.route, batch.route);
    if (is_ours && !batch.items.empty() &&
        (bytes + size > max_batch_bytes_ || spans + item.spans > kMaxBatchSpans))
      is_full = true;
    if (!is_ours || is_full) {
      left.push_back(std::move(item));
      continue;
    }
    bytes += size;
    spans += item.spans;
    batch.items.push_back(std::move(item));
  }
  ahead_ = std::move(left);
  ahead_bytes_ -= bytes;
  return batch;
}

// What waited here may have been dropped meanwhile: for its age, for room, or because the destination is too
// far behind.
void OtlpReader::leave_out_settled() {
  for (const Seq position = cursor_.position(); !ahead_.empty() && ahead_.front().record.seq < position;) {
    ahead_bytes_ -= ahead_.front().payload->size();
    ahead_.pop_front();
  }
}

Result<bool> OtlpReader::read_more() {
  auto read = spool_.read(next_, max_batch_bytes_, kMaxAheadRecords - ahead_.size());
  if (!read) return std::unexpected(read.error());
  for (const spool::Gap& gap : read->gaps) cursor_.settle(gap);
  for (Record& record : read->records) take(std::move(record));
  const bool moved = read->next != next_;
  next_ = read->next;
  return moved;
}

void OtlpReader::take(Record record) {
  if (cursor_.settled(record.seq)) return;
  if (record.header.kind != RecordKind::spans) {
    cursor_.settle(
        {spool::Settled::all(record, SpanCounts::of(Outcome::not_applicable, record.header.span_count))});
    return;
  }
  Item item{std::move(record), nullptr, 0};
  item.payload = item.record.payload;
  item.spans = item.record.header.span_count;
  if (item.record.seq < end_at_start_ && item.record.header.trace_count > 1) {
    std::uint32_t left = 0, settled = 0;
    std::string rest = filter_traces_request(*item.payload, [&](const TraceId& trace, const SpanId&) {
      const bool keep = !cursor_.settled(item.record.seq, trace);
      ++(keep ? left : settled);
      return keep;
    });
    if (settled > 0) {
      item.spans = left;
      item.payload = std::make_shared<const std::string>(std::move(rest));
    }
  }
  if (item.spans == 0) {
    // Nothing in it that a far side would keep.
    cursor_.settle({spool::Settled::all(item.record, {})});
    return;
  }
  ahead_bytes_ += item.payload->size();
  ahead_.push_back(std::move(item));
}

}  // namespace spanferry::uploader
