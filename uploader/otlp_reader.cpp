#include "uploader/otlp_reader.hpp"

#include <tuple>
#include <unordered_map>

#include "model/otlp_scan.hpp"
#include "uploader/span_file.hpp"

namespace spanferry::uploader {
namespace {

bool is_before(const Route& a, const Route& b) {
  return std::tie(a.experiment_id, a.experiment_name) < std::tie(b.experiment_id, b.experiment_name);
}

}  // namespace

OtlpReader::OtlpReader(spool::Spool& spool, spool::Cursor& cursor, std::size_t max_batch_bytes,
                       bool by_experiment, const DeletedTraces* deleted)
    : spool_(spool),
      cursor_(cursor),
      max_batch_bytes_(max_batch_bytes),
      by_experiment_(by_experiment),
      deleted_(deleted),
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
  if (record.header.kind == RecordKind::trace_data && !read_span_file(record)) return;
  if (record.header.kind != RecordKind::spans) {
    cursor_.settle(
        {spool::Settled::all(record, SpanCounts::of(Outcome::not_applicable, record.header.span_count))});
    return;
  }
  Item item{std::move(record), nullptr, 0};
  item.payload = item.record.payload;
  item.spans = item.record.header.span_count;
  if (may_hold_back(item.record)) hold_back(item);
  if (item.spans == 0) {
    // Nothing in it that a far side would keep.
    cursor_.settle({spool::Settled::all(item.record, {})});
    return;
  }
  ahead_bytes_ += item.payload->size();
  ahead_.push_back(std::move(item));
}

// From here on it is a record of spans. False: it cannot be read, and is settled.
bool OtlpReader::read_span_file(Record& record) {
  auto request = otlp_of_span_file(spool_, record);
  if (request) {
    record.payload = std::make_shared<const std::string>(*std::move(request));
    record.header.kind = RecordKind::spans;
    return true;
  }
  spool::Settled settled =
      spool::Settled::all(record, SpanCounts::of(Outcome::dead, record.header.span_count));
  spool::DeadLetter& letter = settled.dead.emplace_back();
  letter.destination = cursor_.name();
  letter.seq = record.seq;
  letter.trace_id = record.header.only_trace.value_or(TraceId{});
  letter.spans = record.header.span_count;
  letter.kind = record.header.kind;
  letter.route = record.header.route;
  letter.received_ns = letter.refused_ns = record.header.received_ns;
  letter.reason = "the span file cannot be read: " + request.error().sentence;
  std::vector<spool::Settled> all;
  all.push_back(std::move(settled));
  cursor_.settle(std::move(all));
  return false;
}

bool OtlpReader::may_hold_back(const Record& record) const {
  const RecordHeader& header = record.header;
  if (record.seq < end_at_start_ && header.trace_count > 1) return true;
  if (deleted_ == nullptr || deleted_->empty()) return false;
  return !header.only_trace || deleted_->holds(*header.only_trace);
}

// What the process before settled, and traces that were deleted.
void OtlpReader::hold_back(Item& item) {
  const RecordHeader& header = item.record.header;
  std::unordered_map<TraceId, std::uint32_t> deleted;
  std::uint32_t left = 0;
  std::string rest = filter_traces_request(*item.payload, [&](const TraceId& trace, const SpanId&) {
    if (cursor_.settled(item.record.seq, trace)) return false;
    const bool is_deleted = deleted_ != nullptr && deleted_->holds(trace);
    ++(is_deleted ? deleted[trace] : left);
    return !is_deleted;
  });
  std::vector<spool::Settled> settled;
  for (const auto& [trace, spans] : deleted)
    settled.push_back({item.record.seq,
                       header.span_count,
                       header.trace_count,
                       trace,
                       SpanCounts::of(Outcome::deleted, spans),
                       {}});
  if (!settled.empty()) cursor_.settle(std::move(settled));
  if (left == item.spans) return;
  item.spans = left;
  item.payload = std::make_shared<const std::string>(std::move(rest));
}

}  // namespace spanferry::uploader
