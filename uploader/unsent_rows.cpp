#include "uploader/unsent_rows.hpp"

#include <unordered_set>

#include <fmt/format.h>

#include "model/otlp_scan.hpp"
#include "uploader/span_file.hpp"

namespace spanferry::uploader {
namespace {

template <class Visit>
void each_span(const std::string& request, const TraceId& trace, Visit visit) {
  filter_traces_request(request, [&](const TraceId& id, const SpanId& span) {
    if (id == trace) visit(span);
    return false;
  });
}

bool waited_for_info(const TracePart& part, const TraceMark& mark) {
  return part.parked && part.seq <= mark.last && part.parked->key.span.is_zero();
}

}  // namespace

Result<UnsentRows::Found> UnsentRows::of(const GatheredTrace& gathered, const TraceMark& mark,
                                         const mlflow::TableSpans::Metadata& metadata,
                                         const mlflow::TableLocation& location) {
  const TraceId& trace = gathered.trace.id;
  Found found;
  auto all = spans_of(gathered, found.refused);
  if (!all) return std::unexpected(all.error());
  std::unordered_set<SpanId> there, unsettled, held;
  for (Spans& one : *all) {
    // It went out before, though the process then was not given the time to settle it.
    one.was_sent = one.part.settled || (!one.part.parked && one.part.seq <= mark.last);
    each_span(*one.request, trace, [&](const SpanId& span) {
      if (one.was_sent) there.insert(span);
      if (!one.part.settled) unsettled.insert(span);
      if (waited_for_info(one.part, mark)) held.insert(span);
    });
  }
  found.unsettled = unsettled.size();
  // Others: something of it is parked for another reason, as a dead letter that is tried again.
  if (held.size() == mark.held_spans) {
    for (Spans& one : *all) one.was_sent |= waited_for_info(one.part, mark);
    there.merge(held);
  }
  // A dead letter of one span that is tried again: the table refused it, whatever else of its record it took.
  for (const Spans& one : *all)
    if (one.part.parked && !one.part.parked->key.span.is_zero()) there.erase(one.part.parked->key.span);
  std::unordered_map<SpanId, std::size_t> winner;  // of the copies, by their place in all that was not sent
  std::size_t place = 0;
  for (const Spans& one : *all)
    if (!one.was_sent)
      each_span(*one.request, trace, [&](const SpanId& span) {
        winner[span] = place++;
        ++found.copies[span];
      });
  const mlflow::TableSpans rows(gathered.trace, metadata, location);
  place = 0;
  for (const Spans& one : *all) {
    if (one.was_sent) continue;
    std::uint64_t written = 0;
    std::string request = rows.write(*one.request, [&](const SpanId& span) {
      const bool goes = winner.at(span) == place++ && !there.contains(span);
      written += goes ? 1 : 0;
      return goes;
    });
    if (written > 0) add(found.requests, {std::make_shared<const std::string>(std::move(request)), written});
  }
  return found;
}

Result<std::vector<UnsentRows::Spans>> UnsentRows::spans_of(const GatheredTrace& gathered,
                                                            std::vector<RefusedPart>& refused) {
  std::vector<Spans> all;
  for (std::size_t i = 0; i < gathered.parts.size(); ++i) {
    const TracePart& part = gathered.parts[i];
    if (!part.holds_spans() || !part.unreadable.empty()) continue;
    auto request = request_of(part);
    if (request) {
      if (*request) all.push_back({part, *std::move(request)});
      continue;
    }
    const ErrorKind kind = request.error().kind;
    if (kind != ErrorKind::damaged && kind != ErrorKind::invalid_input)
      return std::unexpected(request.error());
    if (part.settled) continue;
    Verdict verdict;
    verdict.action = Action::split;
    verdict.reason = fmt::format("record {} cannot be read as {}: {}", part.seq, name(part.header.kind),
                                 request.error().sentence);
    refused.push_back({i, std::move(verdict)});
  }
  return all;
}

Result<std::shared_ptr<const std::string>> UnsentRows::request_of(const TracePart& part) {
  if (part.parked) return request_of(Record{part.seq, part.header, part.parked->payload});
  if (last_.seq != part.seq || !last_.payload) {
    auto record = context_.spool.get(part.seq);
    if (!record) return std::unexpected(record.error());
    // Settled, and trimmed since it was gathered.
    if (!*record && part.settled) return nullptr;
    if (!*record)
      return fail(ErrorKind::unavailable, fmt::format("record {} is not in the log any more", part.seq));
    last_ = **std::move(record);
  }
  return request_of(last_);
}

Result<std::shared_ptr<const std::string>> UnsentRows::request_of(const Record& record) const {
  if (record.header.kind != RecordKind::trace_data) return record.payload;
  auto request = otlp_of_span_file(context_.spool, record, mlflow::TextValues::as_they_are);
  if (!request) return std::unexpected(request.error());
  return std::make_shared<const std::string>(*std::move(request));
}

void UnsentRows::add(std::vector<TableRows>& requests, TableRows rows) const {
  const std::size_t limit = context_.settings.max_batch_bytes;
  if (rows.request->size() > limit && rows.spans > 1) {
    add(requests, cut(rows, 0, rows.spans / 2));
    add(requests, cut(rows, rows.spans / 2, rows.spans));
  } else if (!requests.empty() && requests.back().request->size() + rows.request->size() <= limit) {
    requests.back() = {std::make_shared<const std::string>(*requests.back().request + *rows.request),
                       requests.back().spans + rows.spans};
  } else {
    requests.push_back(std::move(rows));
  }
}

}  // namespace spanferry::uploader
