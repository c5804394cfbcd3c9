#include "uploader/trace_settling.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "model/clock.hpp"
#include "uploader/part_payload.hpp"

namespace spanferry::uploader {

TraceSettling::TraceSettling(const TrackContext& context, spool::Cursor& cursor, bool spans_are_ours)
    : context_(context), cursor_(cursor), spans_are_ours_(spans_are_ours) {}

void TraceSettling::add(Settlement& settlement, const TraceId& trace, const TracePart& part,
                        const SpanCounts& counts, std::vector<spool::DeadLetter> dead) {
  if (part.parked) {
    settlement.in_parked.emplace_back(*part.parked, counts);
    settlement.in_parked.back().dead = std::move(dead);
    return;
  }
  settlement.in_log.push_back(
      {part.seq, part.header.span_count, part.header.trace_count, trace, counts, std::move(dead)});
}

void TraceSettling::settle(Settlement settlement) {
  if (!settlement.in_log.empty()) cursor_.settle(std::move(settlement.in_log));
  if (!settlement.in_parked.empty()) cursor_.settle_parked(std::move(settlement.in_parked));
}

// True: it was in the log, and is parked now.
Result<bool> TraceSettling::park(Settlement& settlement, const TraceId& trace, const TracePart& part) {
  if (part.parked) return false;
  auto payload = part_payload(context_.spool, trace, part);
  if (!payload) return std::unexpected(payload.error());
  add(settlement, trace, part, {}, {});
  spool::Settled& settled = settlement.in_log.back();
  if (*payload == nullptr) {
    settled.counts[Outcome::lost] = part.spans;  // damaged since it was gathered
  } else {
    settled.parked.push_back(
        spool::parked_part({part.seq, part.header, nullptr}, trace, part.spans, *std::move(payload)));
  }
  return true;
}

void TraceSettling::note_letters(std::size_t letters, const Verdict& verdict) {
  context_.sender.health().note_error(verdict.reason);
  context_.sender.health().dead_letters += letters;
}

Result<bool> TraceSettling::settle_apart(const GatheredTrace& trace, const TraceOutcome& outcome) {
  Settlement settlement;
  const TraceId& id = trace.trace.id;
  for (const RefusedPart& refused : outcome.refused_parts) {
    const TracePart& part = trace.parts[refused.part];
    if (part.settled) continue;
    auto letter = whole_letter_of(id, part, refused.verdict);
    if (!letter) return std::unexpected(letter.error());
    std::vector<spool::DeadLetter> dead;
    dead.push_back(*std::move(letter));
    add(settlement, id, part, SpanCounts::of(Outcome::dead, part.spans), std::move(dead));
  }
  bool any = !settlement.in_log.empty() || !settlement.in_parked.empty();
  for (const std::size_t early : outcome.early_parts) {
    const auto parked = park(settlement, id, trace.parts[early]);
    if (!parked) return parked;
    any |= *parked;
  }
  for (const RefusedPart& refused : outcome.refused_parts)
    if (!trace.parts[refused.part].settled) note_letters(1, refused.verdict);
  settle(std::move(settlement));
  return any;
}

void TraceSettling::settle_rest(const GatheredTrace& trace, TraceOutcome& outcome) {
  const auto is_apart = [&outcome](std::size_t part) {
    return std::ranges::find(outcome.early_parts, part) != outcome.early_parts.end() ||
           std::ranges::find(outcome.refused_parts, part, &RefusedPart::part) != outcome.refused_parts.end();
  };
  auto dead = letters_of(trace, outcome);
  // Spans of dead letters are dead, whatever became of the others.
  std::uint64_t dead_spans = 0;
  for (const spool::DeadLetter& letter : dead) dead_spans += letter.spans;
  Settlement settlement;
  for (std::size_t i = 0; i < trace.parts.size(); ++i) {
    const TracePart& part = trace.parts[i];
    if (part.settled || is_apart(i)) continue;
    const std::uint64_t dead_here = std::min<std::uint64_t>(dead_spans, part.spans);
    dead_spans -= dead_here;
    SpanCounts counts =
        SpanCounts::of(outcome.deleted ? Outcome::deleted : Outcome::delivered, part.spans - dead_here);
    counts[Outcome::dead] += dead_here;
    add(settlement, trace.trace.id, part, counts, std::exchange(dead, {}));
  }
  settle(std::move(settlement));
}

std::vector<spool::DeadLetter> TraceSettling::letters_of(const GatheredTrace& trace, TraceOutcome& outcome) {
  std::vector<spool::DeadLetter> letters;
  const auto first = std::ranges::find_if(
      trace.parts, [](const TracePart& part) { return !part.settled && part.holds_spans(); });
  if (first == trace.parts.end()) return letters;
  for (RefusedSpans& refused : outcome.refused_spans) {
    note_letters(1, refused.verdict);
    spool::DeadLetter& letter = letters.emplace_back(letter_of(trace.trace.id, *first, refused.verdict));
    letter.kind = RecordKind::spans;
    letter.span_id = refused.span;
    letter.spans = static_cast<std::uint32_t>(refused.spans);
    letter.payload = std::move(refused.payload);
  }
  return letters;
}

Result<> TraceSettling::settle_refused(const TraceId& trace, const std::vector<TracePart>& parts,
                                       const Verdict& verdict) {
  Settlement settlement;
  std::size_t letters = 0;
  for (const TracePart& part : parts) {
    if (part.settled) continue;
    if (!spans_are_ours_ && part.holds_spans()) {
      add(settlement, trace, part, SpanCounts::of(Outcome::delivered, part.spans), {});
      continue;
    }
    if (!part.holds_spans() && part.header.kind != RecordKind::trace_info) {
      if (const auto parked = park(settlement, trace, part); !parked) return std::unexpected(parked.error());
      continue;
    }
    auto letter = whole_letter_of(trace, part, verdict);
    if (!letter) return std::unexpected(letter.error());
    std::vector<spool::DeadLetter> dead;
    dead.push_back(*std::move(letter));
    ++letters;
    add(settlement, trace, part, SpanCounts::of(Outcome::dead, part.spans), std::move(dead));
  }
  note_letters(letters, verdict);
  if (!spans_are_ours_)
    spdlog::warn("destination {}: trace {}: {}; its spans are there, its request id and tags are not",
                 context_.settings.name, trace.hex(), verdict.reason);
  settle(std::move(settlement));
  return {};
}

void TraceSettling::settle_unreadable(const Record& record, std::string_view reason) {
  Verdict verdict;
  verdict.reason =
      fmt::format("record {} cannot be read as {}: {}", record.seq, name(record.header.kind), reason);
  settle_whole(record, std::nullopt, &verdict);
}

void TraceSettling::settle_whole(const Record& record, const std::optional<spool::Parked>& parked,
                                 const Verdict* refused) {
  const Outcome outcome = refused != nullptr ? Outcome::dead : Outcome::delivered;
  const SpanCounts counts = SpanCounts::of(outcome, record.header.span_count);
  std::vector<spool::DeadLetter> dead;
  if (refused != nullptr) {
    note_letters(1, *refused);
    const TracePart part{record.seq, record.header, record.header.span_count, false};
    dead.push_back(letter_of(record.header.only_trace.value_or(TraceId{}), part, *refused));
    dead.back().payload = *record.payload;
  }
  Settlement settlement;
  if (parked) {
    settlement.in_parked.emplace_back(*parked, counts);
    settlement.in_parked.back().dead = std::move(dead);
  } else {
    spool::Settled all = spool::Settled::all(record, counts);
    all.dead = std::move(dead);
    settlement.in_log.push_back(std::move(all));
  }
  settle(std::move(settlement));
}

spool::DeadLetter TraceSettling::letter_of(const TraceId& trace, const TracePart& part,
                                           const Verdict& verdict) const {
  spool::DeadLetter letter;
  letter.destination = context_.settings.name;
  letter.seq = part.seq;
  letter.trace_id = trace;
  letter.spans = part.spans;
  letter.kind = part.header.kind;
  letter.route = part.header.route;
  letter.received_ns = part.header.received_ns;
  letter.refused_ns = unix_now_ns();
  letter.status = verdict.status;
  letter.reason = verdict.reason;
  letter.response_excerpt = verdict.excerpt;
  return letter;
}

Result<spool::DeadLetter> TraceSettling::whole_letter_of(const TraceId& trace, const TracePart& part,
                                                         const Verdict& verdict) const {
  const auto payload = part_payload(context_.spool, trace, part);
  if (!payload) return std::unexpected(payload.error());
  spool::DeadLetter letter = letter_of(trace, part, verdict);
  if (*payload) letter.payload = **payload;
  if (part.parked) letter.span_id = part.parked->key.span;  // one of several of its record
  return letter;
}

}  // namespace spanferry::uploader
