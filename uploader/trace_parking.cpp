#include "uploader/trace_parking.hpp"

#include <chrono>

#include <fmt/format.h>

#include "model/clock.hpp"
#include "uploader/loose_writes.hpp"
#include "uploader/part_payload.hpp"
#include "uploader/trace_headings.hpp"

namespace spanferry::uploader {
namespace {

using spool::Settled;

constexpr std::size_t kReadBytes = 1U << 20;
constexpr Seq kMaxRecordsBack = 4096;
constexpr std::size_t kMaxBytesBack = 64U << 20;
constexpr int kLaggardsAtOnce = 256;
constexpr std::chrono::seconds kPatience{5};  // a trace that is due sooner is no laggard

}  // namespace

TraceParking::TraceParking(const TrackContext& context, spool::Cursor& cursor)
    : context_(context), cursor_(cursor) {}

void TraceParking::records_arrived() {
  if (cursor_.parked().revived != revived_) look_ = true;
}

void TraceParking::begin_pass() {
  const auto revived = cursor_.parked().revived;
  const auto releases = context_.routes == nullptr ? 0 : context_.routes->releases();
  // The first pass of all sees everything.
  probes_only_ = after_.has_value() && revived == revived_ && releases == releases_;
  revived_ = revived;
  releases_ = releases;
  look_ = false;
  in_pass_ = true;
  after_.reset();
  probed_.clear();
}

bool TraceParking::may_try(const Route& route) {
  HeldRoutes* routes = context_.routes;
  if (routes == nullptr || !routes->holds(route)) return true;
  return routes->probe_is_due(route) && probed_.insert(describe(route)).second;
}

Result<bool> TraceParking::note_some(Assembler& assembler) {
  if (!in_pass_ && !look_) return false;
  if (!in_pass_) begin_pass();
  if (assembler.full()) return false;
  const bool nothing_to_probe = context_.routes != nullptr && !context_.routes->probe_is_due();
  const auto parts = cursor_.read_parked(after_, kReadBytes);
  if (!parts) return std::unexpected(parts.error());
  for (const spool::Parked& part : *parts) {
    after_ = part.key;
    if (may_try(part.header.route)) note(assembler, part);
  }
  in_pass_ = !parts->empty() && !(probes_only_ && nothing_to_probe);
  if (!in_pass_ && !after_) after_.emplace();  // a first pass was made
  return in_pass_;
}

void TraceParking::note(Assembler& assembler, const spool::Parked& part) {
  if (LooseWrites::takes(part.header)) return;  // about no trace in particular
  const auto headings = trace_headings(part.header, *part.payload);
  if (part.key.trace.is_zero() || !headings || headings->empty()) {
    set_dead(part, headings ? "no span in it has readable ids" : headings.error().sentence);
    return;
  }
  bool top_ended = false;
  for (const TraceHeading& heading : *headings)
    top_ended |= heading.trace == part.key.trace && heading.top_ended;
  assembler.note(part.key.trace, part.key.seq, top_ended, steady_time_of(part.header.received_ns),
                 part.header.route);
}

void TraceParking::note_again(Assembler& assembler, const TraceId& trace) {
  if (cursor_.parked().records == 0) return;
  const auto parts = cursor_.parked_of(trace);
  if (!parts) {
    look_ = true;
    return;
  }
  for (const spool::Parked& part : *parts)
    if (context_.routes == nullptr || !context_.routes->holds(part.header.route)) note(assembler, part);
}

void TraceParking::set_dead(const spool::Parked& part, std::string_view reason) {
  spool::DeadLetter letter;
  letter.destination = context_.settings.name;
  letter.seq = part.key.seq;
  letter.trace_id = part.key.trace;
  letter.span_id = part.key.span;
  letter.spans = part.header.span_count;
  letter.kind = part.header.kind;
  letter.route = part.header.route;
  letter.received_ns = part.header.received_ns;
  letter.refused_ns = unix_now_ns();
  letter.reason = fmt::format("record {} cannot be read as spans: {}", part.key.seq, reason);
  letter.payload = *part.payload;
  spool::SettledParked settled(part, SpanCounts::of(Outcome::dead, part.header.span_count));
  settled.dead.push_back(std::move(letter));
  std::vector<spool::SettledParked> all;
  all.push_back(std::move(settled));
  cursor_.settle_parked(std::move(all));
}

Result<> TraceParking::set_aside(const GatheredTrace& trace) {
  std::vector<Settled> settled;
  for (const TracePart& part : trace.parts) {
    if (part.settled || part.parked) continue;
    Settled one{part.seq, part.header.span_count, part.header.trace_count, trace.trace.id, {}, {}, {}};
    auto payload = part_payload(context_.spool, trace.trace.id, part);
    if (!payload) return std::unexpected(payload.error());
    if (*payload == nullptr) {
      one.counts[Outcome::lost] = part.spans;  // damaged since it was gathered
    } else {
      one.parked.push_back(spool::parked_part({part.seq, part.header, nullptr}, trace.trace.id, part.spans,
                                              *std::move(payload)));
    }
    settled.push_back(std::move(one));
  }
  if (!settled.empty()) cursor_.settle(std::move(settled));
  return {};
}

void TraceParking::walked(Seq next, std::size_t bytes) {
  ahead_.emplace_back(next, bytes);
  ahead_bytes_ += bytes;
  for (const Seq position = cursor_.position(); !ahead_.empty() && ahead_.front().first <= position;) {
    ahead_bytes_ -= ahead_.front().second;
    ahead_.pop_front();
  }
}

Result<bool> TraceParking::park_laggards(const Assembler& assembler, Seq next, Time now) {
  const Seq before = cursor_.position();
  if (next <= before + kMaxRecordsBack && ahead_bytes_ <= kMaxBytesBack) return false;
  for (int n = 0; n < kLaggardsAtOnce && !cursor_.parked().full; ++n) {
    const Seq seq = cursor_.position();
    if (seq >= next) break;
    const auto record = context_.spool.get(seq);
    if (!record) return std::unexpected(record.error());
    if (!*record) break;  // a gap: whoever reads it settles it
    const auto headings = trace_headings((*record)->header, *(*record)->payload);
    if (!headings) break;
    std::vector<Settled> settled;
    for (const TraceHeading& heading : *headings) {
      if (cursor_.settled(seq, heading.trace)) continue;
      const auto due = assembler.waits_until(heading.trace);
      if (!due || *due <= now + kPatience) return cursor_.position() != before;
      const RecordHeader& header = (*record)->header;
      Settled one{seq, header.span_count, header.trace_count, heading.trace, {}, {}, {}};
      one.parked.push_back(
          spool::parked_part(**record, heading.trace, heading.spans, part_payload(**record, heading.trace)));
      settled.push_back(std::move(one));
    }
    if (settled.empty()) break;
    cursor_.settle(std::move(settled));
  }
  return cursor_.position() != before;
}

}  // namespace spanferry::uploader
