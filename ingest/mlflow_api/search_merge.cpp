#include "ingest/mlflow_api/search_merge.hpp"

#include <algorithm>

namespace spanferry::ingest {
namespace {

constexpr std::int64_t kSearchableWithinMs = 3'600'000;  // after its last record came

// The far side may not have told all of it: something is not delivered yet, or was not when it was asked.
bool is_behind(Api& api, const TraceId& trace, std::uint64_t asked) {
  if (api.reader() == nullptr) return true;
  const auto records = api.spool.records_of(trace);
  if (!records) return true;
  if (records->empty()) return false;
  if (!api.reader()->settled(trace, *records)) return true;
  api.seen_there.add(trace, records->back(), asked);
  return !api.seen_there.has(trace, records->back());
}

// It is delivered, and was found there, or has been there for so long that it must be. An edit that is newer
// than what matches makes the far side's word an old one, and of_far_side leaves the trace to us.
bool is_told_there(const Api& api, const spool::TraceGlance& glance, std::int64_t newer_ns) {
  if (api.reader() == nullptr || !api.reader()->settled(glance.trace, {glance.seq})) return false;
  const std::int64_t came_ms = std::max(glance.received_ns, newer_ns) / 1'000'000;
  const bool is_old = api.now_ms() - came_ms > kSearchableWithinMs;
  if (newer_ns == 0) return is_old || api.seen_there.has(glance.trace, glance.seq);
  const auto records = api.spool.records_of(glance.trace);
  return records && !records->empty() && api.reader()->settled(glance.trace, *records) &&
         (is_old || api.seen_there.has(glance.trace, records->back()));
}

bool asks_for_spans(const SearchFilter& filter) {
  return std::ranges::any_of(filter,
                             [](const SearchClause& clause) { return clause.field == SearchField::span; });
}

// A trace of the far side with what is here on top of it. Nothing: it is told from here, or not to be told.
Result<std::optional<FoundTrace>> of_far_side(Api& api, const SearchRequest& request,
                                              const SearchMatcher& matcher, const std::string& info,
                                              std::uint64_t asked) {
  const auto parsed = mlflow::parse_written_info(info);
  if (!parsed) return std::nullopt;
  const TraceId id = parsed->trace;
  std::vector<Record> records;
  if (is_behind(api, id, asked)) {
    auto kept = records_of_trace(api.spool, id);
    if (!kept) return std::unexpected(std::move(kept.error()));
    records = *std::move(kept);
    const auto here = trace_here(api, id);
    if (!here) return std::unexpected(here.error());
    if (*here && ((*here)->deleted ||
                  ((*here)->exists() && is_searched(api, request, **here) && matcher.matches(**here))))
      return std::nullopt;
  }
  TraceFold fold(id, api.flavor(), api.far_side.context);
  if (auto begun = fold.begin_with(info, {}); !begun) return std::nullopt;
  for (const Record& record : records) fold.add(record);
  FoundTrace found{{}, fold.finish(), {}};
  if (!records.empty() &&
      (found.trace.deleted || (!asks_for_spans(request.filter) && !matcher.matches(found.trace))))
    return std::nullopt;
  // Where a workspace's spans are is ours to know; a server says whether it has them itself.
  const auto location = parsed->tags.find("mlflow.trace.spansLocation");
  found.trace.has_spans = found.trace.has_spans || api.flavor() == mlflow::Flavor::databricks ||
                          (location != parsed->tags.end() && location->second == "TRACKING_STORE");
  found.experiment_id = experiment_of(api, found.trace);
  found.place = SearchPlace(request.order, found.trace, found.experiment_id);
  return found;
}

}  // namespace

Result<SearchPage> search_page(Api& api, const SearchRequest& request, const SearchMatcher& matcher,
                               const std::optional<FarPage>& far) {
  const SearchPosition& from = request.from;
  const Seq until = from.until == 0 ? api.spool.end() : from.until;
  SearchPage page;
  // Those of the far side first: what it shows now is not told from here.
  std::vector<FoundTrace> there;
  std::size_t there_at = from.there;
  std::vector<std::size_t> places;  // of each in `there`, in the far side's page
  if (far) {
    for (std::size_t i = from.there; i < far->traces.size(); ++i) {
      auto one = of_far_side(api, request, matcher, far->traces[i], far->asked);
      if (!one) return std::unexpected(std::move(one.error()));
      if (!*one) continue;
      there.push_back(**std::move(one));
      places.push_back(i);
    }
  }
  LeaveOut leave_out;
  if (far)
    leave_out = [&api](const spool::TraceGlance& glance, std::int64_t newer_ns) {
      return is_told_there(api, glance, newer_ns);
    };
  // One more than fits tells whether there is another page.
  auto here = search_here(api, request, matcher, until, from.here + request.max_results + 1, leave_out);
  if (!here) return std::unexpected(std::move(here.error()));
  const bool far_has_more = far && !far->next_page.empty();
  std::size_t h = std::min<std::size_t>(from.here, here->size());
  std::size_t t = 0;
  while (page.traces.size() < request.max_results) {
    const bool here_left = h < here->size();
    if (t == there.size() && (far_has_more || !here_left)) break;
    if (here_left && (t == there.size() || (*here)[h].place.before(there[t].place))) {
      page.traces.push_back(std::move((*here)[h++]));
    } else {
      page.traces.push_back(std::move(there[t++]));
    }
  }
  const bool page_there_ended = t == there.size();
  there_at = page_there_ended ? (far ? far->traces.size() : from.there) : places[t];
  if (h == here->size() && page_there_ended && !far_has_more) return page;
  SearchPosition next{until, h, there_at, from.there_page, !page_there_ended || far_has_more};
  if (page_there_ended && far_has_more) {
    next.there_page = far->next_page;
    next.there = 0;
  }
  page.next = std::move(next);
  return page;
}

}  // namespace spanferry::ingest
