#include "uploader/trace_settling.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "model/clock.hpp"

namespace spanferry::uploader {
TraceSettling::TraceSettling(const TrackContext& context, spool::Cursor& cursor, TraceGatherer& gatherer,
                             bool spans_are_ours)
    : context_(context), cursor_(cursor), gatherer_(gatherer), spans_are_ours_(spans_are_ours) {}

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
bool TraceSettling::park(Settlement& settlement, const TraceId& trace, const TracePart& part) {
  if (part.parked) return false;
  const auto payload = gatherer_.payload_of(trace, part);
  add(settlement, trace, part, {}, {});
  spool::Settled& settled = settlement.in_log.back();
  if (payload == nullptr) {
    settled.counts[Outcome::lost] = part.spans;  // damaged since it was gathered
  } else {
    settled.parked.push_back(
        spool::parked_part({part.seq, part.header, nullptr}, trace, part.spans, payload));
  }
  return true;
}

bool TraceSettling::settle_apart(const GatheredTrace& trace, TraceOutcome& outcome) {
  Settlement settlement;
  const TraceId& id = trace.trace.id;
  for (const RefusedPart& refused : outcome.refused_parts) {
    const TracePart& part = trace.parts[refused.part];
    if (part.settled) continue;
    context_.sender.health().note_error(refused.verdict.reason);
    ++context_.sender.health().dead_letters;
    std::vector<spool::DeadLetter> dead;
    dead.push_back(letter_of(id, part, refused.verdict));
    add(settlement, id, part, SpanCounts::of(Outcome::dead, part.spans), std::move(dead));
  }
  bool any = !settlement.in_log.empty() || !settlement.in_parked.empty();
  for (const std::size_t early : outcome.early_parts) any |= park(settlement, id, trace.parts[early]);
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
    context_.sender.health().note_error(refused.verdict.reason);
    ++context_.sender.health().dead_letters;
    spool::DeadLetter& letter = letters.emplace_back(letter_of(trace.trace.id, *first, refused.verdict));
    letter.kind = RecordKind::spans;
    letter.span_id = refused.span;
    letter.spans = static_cast<std::uint32_t>(refused.spans);
    letter.payload = std::move(refused.payload);
  }
  return letters;
}

void TraceSettling::settle_refused(const TraceId& trace, const std::vector<TracePart>& parts,
                                   const Verdict& verdict) {
  context_.sender.health().note_error(verdict.reason);
  if (!spans_are_ours_)
    spdlog::warn("destination {}: trace {}: {}; its spans are there, its request id and tags are not",
                 context_.settings.name, trace.hex(), verdict.reason);
  Settlement settlement;
  // Records of spans make one letter, at the first of them.
  const auto is_span_record = [](const TracePart& part) {
    return !part.settled && part.header.kind == RecordKind::spans;
  };
  const auto first = std::ranges::find_if(parts, is_span_record);
  for (auto part = parts.begin(); part != parts.end(); ++part) {
    if (part->settled) continue;
    if (!spans_are_ours_ && part->holds_spans()) {
      add(settlement, trace, *part, SpanCounts::of(Outcome::delivered, part->spans), {});
      continue;
    }
    if (!part->holds_spans() && part->header.kind != RecordKind::trace_info) {
      park(settlement, trace, *part);
      continue;
    }
    std::vector<spool::DeadLetter> dead;
    if (part == first || part->header.kind != RecordKind::spans) {
      dead.push_back(letter_of(trace, *part, verdict));
      ++context_.sender.health().dead_letters;
    }
    if (part == first) {
      dead.back().spans = 0;
      for (const TracePart& one : parts) dead.back().spans += is_span_record(one) ? one.spans : 0;
      dead.back().payload = gatherer_.request_of(trace, parts);
    }
    add(settlement, trace, *part, SpanCounts::of(Outcome::dead, part->spans), std::move(dead));
  }
  settle(std::move(settlement));
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
    context_.sender.health().note_error(refused->reason);
    ++context_.sender.health().dead_letters;
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
                                           const Verdict& verdict) {
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
  if (part.header.kind != RecordKind::spans)
    if (const auto payload = gatherer_.payload_of(trace, part)) letter.payload = *payload;
  return letter;
}

}  // namespace spanferry::uploader
