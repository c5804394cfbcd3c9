#include "uploader/unsent_rows.hpp"

#include <algorithm>
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

bool has(const auto& list, const auto& one) { return std::ranges::find(list, one) != list.end(); }

AsidePart key_of(const spool::Parked& part) { return {part.key.seq, part.key.span}; }

// Its spans are in the table, but for those that it refused; settled alone does not say so: a dead letter is.
bool went(const TracePart& part, const TraceMark& mark) {
  if (part.parked) return has(mark.aside, key_of(*part.parked));
  return part.seq <= mark.last && !has(mark.left_out, part.seq);
}

}  // namespace

Result<UnsentRows::Found> UnsentRows::of(const GatheredTrace& gathered, const TraceMark& mark,
                                         const mlflow::TableSpans::Metadata& metadata,
                                         const mlflow::TableLocation& location) {
  const TraceId& trace = gathered.trace.id;
  Found found;
  auto all = spans_of(gathered, found.refused);
  if (!all) return std::unexpected(all.error());
  sort_parts(gathered, mark, found);
  const std::unordered_set<SpanId> refused(mark.refused.begin(), mark.refused.end());
  std::unordered_set<SpanId> there;
  for (Spans& one : *all) {
    const bool has_gone = went(one.part, mark);
    // What is refused of it may have no letter yet: the process then was not given the time.
    one.may_go = !one.part.settled && (!has_gone || !refused.empty());
    if (!has_gone) continue;
    each_span(*one.request, trace, [&](const SpanId& span) {
      if (!refused.contains(span)) there.insert(span);
    });
  }
  std::unordered_map<SpanId, std::size_t> winner;  // of the copies, by their place in all that may go
  std::size_t place = 0;
  for (const Spans& one : *all)
    if (one.may_go)
      each_span(*one.request, trace, [&](const SpanId& span) {
        const std::size_t here = place++;
        if (there.contains(span)) return;
        winner[span] = here;
        ++found.copies[span];
      });
  const mlflow::TableSpans rows(gathered.trace, metadata, location);
  place = 0;
  for (const Spans& one : *all) {
    if (!one.may_go) continue;
    std::uint64_t written = 0;
    std::string request = rows.write(*one.request, [&](const SpanId& span) {
      const auto last = winner.find(span);
      const bool goes = last != winner.end() && last->second == place;
      ++place;
      written += goes ? 1 : 0;
      return goes;
    });
    if (written > 0) add(found.requests, {std::make_shared<const std::string>(std::move(request)), written});
  }
  return found;
}

void UnsentRows::sort_parts(const GatheredTrace& gathered, const TraceMark& mark, Found& found) {
  for (std::size_t i = 0; i < gathered.parts.size(); ++i) {
    const TracePart& part = gathered.parts[i];
    if (!part.holds_spans()) continue;
    const bool is_unreadable = !part.unreadable.empty() ||
                               std::ranges::find(found.refused, i, &RefusedPart::part) != found.refused.end();
    const bool goes = went(part, mark) || (!part.settled && !is_unreadable);
    if (part.parked) {
      if (goes) found.aside.push_back(key_of(*part.parked));
    } else if (!goes) {
      found.left_out.push_back(part.seq);
    } else if (!part.settled) {
      found.waiting.push_back({part.seq, SpanId{}});
    }
  }
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
