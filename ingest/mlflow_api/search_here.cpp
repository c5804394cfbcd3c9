#include "ingest/mlflow_api/search_here.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ingest/mlflow_api/search_glance.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::int64_t kNsInMs = 1'000'000;
// Clocks of senders may be ahead of ours by that much, and still the newest come first.
constexpr std::int64_t kClocksDifferMs = 5'000;

LocalTrace of_summary(const spool::TraceSummary& summary) {
  LocalTrace trace;
  trace.id = trace.info.trace = summary.trace_id;
  trace.deleted = summary.deleted;
  trace.started = summary.started;
  trace.has_spans = summary.spans > 0;
  trace.route.experiment_id = summary.experiment_id;
  trace.route.experiment_name = summary.experiment_name;
  auto& info = trace.info;
  info.experiment_id = summary.experiment_id;
  if (!summary.request_id.empty()) info.client_request_id = summary.request_id;
  info.request_time_ms = summary.start_ns / kNsInMs;
  info.execution_duration_ms = std::max<std::int64_t>(summary.end_ns - summary.start_ns, 0) / kNsInMs;
  info.state = summary.started    ? summary.state
               : summary.has_root ? (summary.status == StatusCode::error ? "ERROR" : "OK")
                                  : "IN_PROGRESS";
  if (!summary.session.empty()) info.metadata["mlflow.trace.session"] = summary.session;
  if (!summary.user.empty()) info.metadata["mlflow.trace.user"] = summary.user;
  for (const spool::TraceFact& fact : summary.facts) {
    using Kind = spool::TraceFact::Kind;
    if (fact.kind == Kind::tag) info.tags[fact.key] = fact.value;
    if (fact.kind == Kind::no_tag) info.tags.erase(fact.key);
    if (fact.kind == Kind::metadata) info.metadata[fact.key] = fact.value;
    if (fact.kind == Kind::attribute && !summary.started) info.tags.emplace(fact.key, fact.value);
  }
  if (!summary.name.empty()) info.tags.emplace("mlflow.traceName", summary.name);
  return trace;
}

// Whether a record's route is one of those searched; each is looked up once.
class Routes {
 public:
  Routes(const Api& api, const SearchRequest& request) : api_(api), request_(request) {}

  bool may_be_searched(const spool::TraceGlance& glance) {
    if (!request_.tables.empty() || (!glance.has_root && !glance.started)) return true;
    std::string key(glance.experiment_id);
    key.append("\n").append(glance.experiment_name);
    const auto found = known_.find(key);
    if (found != known_.end()) return found->second;
    LocalTrace trace;
    trace.info.experiment_id = trace.route.experiment_id = glance.experiment_id;
    trace.route.experiment_name = glance.experiment_name;
    const bool searched = is_searched(api_, request_, trace);
    if (known_.size() < kMost) known_.emplace(std::move(key), searched);
    return searched;
  }

 private:
  static constexpr std::size_t kMost = 10'000;
  const Api& api_;
  const SearchRequest& request_;
  std::unordered_map<std::string, bool> known_;
};

bool is_newest_first(const std::vector<SearchOrder>& order) {
  return order.front().field == SearchField::attribute && order.front().key == "timestamp_ms" &&
         !order.front().ascending;
}

bool comes_before(const FoundTrace& a, const FoundTrace& b) { return a.place.before(b.place); }

// The best so far; the worst of them is at the front.
class Best {
 public:
  explicit Best(std::size_t most) : most_(most) {}
  void add(FoundTrace found) {
    heap_.push_back(std::move(found));
    std::ranges::push_heap(heap_, comes_before);
    if (heap_.size() <= most_) return;
    std::ranges::pop_heap(heap_, comes_before);
    heap_.pop_back();
  }
  [[nodiscard]] bool full() const { return heap_.size() >= most_; }
  [[nodiscard]] std::int64_t last_began_ms() const {
    return heap_.front().trace.info.request_time_ms.value_or(0);
  }
  std::vector<FoundTrace> take() {
    std::ranges::sort_heap(heap_, comes_before);
    return std::move(heap_);
  }

 private:
  const std::size_t most_;
  std::vector<FoundTrace> heap_;
};

}  // namespace

bool is_searched(const Api& api, const SearchRequest& request, const LocalTrace& trace) {
  if (!trace.info.location.empty())
    return std::ranges::find(request.tables, trace.info.location) != request.tables.end();
  const std::string id = experiment_of(api, trace);
  return std::ranges::any_of(request.experiments, [&](const std::string& wanted) {
    if (wanted == id) return true;
    const auto experiment = api.experiments.by_id(wanted);
    return experiment && experiment->id == id;
  });
}

Result<std::optional<LocalTrace>> trace_here(const Api& api, const TraceId& id) {
  auto trace = local_trace(api.spool, id, api.flavor(), api.far_side.context);
  if (!trace || (*trace && ((*trace)->deleted || (*trace)->exists()))) return trace;
  const auto summary = api.spool.summary_of(id);
  if (!summary) return std::unexpected(summary.error());
  if (!*summary) return trace;
  return of_summary(**summary);
}

Result<std::vector<FoundTrace>> search_here(const Api& api, const SearchRequest& request,
                                            const SearchMatcher& matcher, Seq until, std::size_t most,
                                            const LeaveOut& leave_out) {
  const SearchGlance glance(matcher.filter(), api.far_side.context);
  const bool newest_first = is_newest_first(request.order);
  Routes routes(api, request);
  Best best(most);
  std::unordered_set<TraceId> seen;
  std::unordered_map<TraceId, std::int64_t> passed_over;  // when its newest such record came
  std::optional<Error> error;
  const auto visit = [&](const spool::TraceGlance& one) {
    // Nothing that came before it can have begun after all that was found.
    if (newest_first && best.full() && one.received_ns / kNsInMs + kClocksDifferMs < best.last_began_ms())
      return false;
    // Nor one that says by itself that it began before all of them; where that is not the trace's time,
    // another of its records says so.
    if (newest_first && best.full() && one.start_ns != 0 && one.start_ns / kNsInMs < best.last_began_ms())
      return true;
    if (one.seq >= until) return true;
    if (!glance.may_match(one) || !routes.may_be_searched(one)) {
      if (leave_out) passed_over.emplace(one.trace, one.received_ns);
      return true;
    }
    if (!seen.insert(one.trace).second) return true;
    if (leave_out) {
      const auto newer = passed_over.find(one.trace);
      if (leave_out(one, newer == passed_over.end() ? 0 : newer->second)) return true;
    }
    auto trace = trace_here(api, one.trace);
    if (!trace) {
      error = std::move(trace.error());
      return false;
    }
    if (!*trace || !(*trace)->exists() || !is_searched(api, request, **trace) || !matcher.matches(**trace))
      return true;
    std::string experiment = experiment_of(api, **trace);
    SearchPlace place(request.order, **trace, experiment);
    best.add({std::move(place), **std::move(trace), std::move(experiment)});
    return true;
  };
  if (auto looked = api.spool.glance(visit); !looked) return std::unexpected(std::move(looked.error()));
  if (error) return std::unexpected(*std::move(error));
  return best.take();
}

}  // namespace spanferry::ingest
