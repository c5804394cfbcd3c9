#include "ingest/mlflow_api/experiment_merge.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ingest/mlflow_api/experiment_match.hpp"

namespace spanferry::ingest {
namespace {

struct Found {
  Experiment experiment;
  ExperimentPlace place;
  std::size_t at = 0;  // in the far side's page, or among ours
};

bool is_looked_for(const ExperimentRequest& request, const Experiment& experiment) {
  if (experiment.deleted && request.view == ExperimentView::active) return false;
  if (!experiment.deleted && request.view == ExperimentView::deleted) return false;
  return matches(request.filter, experiment);
}

// In the order of the request.
template <class Wanted>
std::vector<Found> known_here(const Api& api, const ExperimentRequest& request, const Wanted& is_wanted) {
  std::vector<Found> found;
  for (Experiment& one : api.experiments.all()) {
    if (!is_wanted(one) || !is_looked_for(request, one)) continue;
    ExperimentPlace place(request.order, one, one.id);
    found.push_back({std::move(one), std::move(place)});
  }
  std::ranges::sort(found, [](const Found& a, const Found& b) { return a.place.before(b.place); });
  return found;
}

// Those that the far side may not have, or has not as they are.
std::vector<std::string> only_ours(const Api& api, const ExperimentRequest& request,
                                   const UnseenEdits& unseen) {
  std::vector<std::string> ids;
  for (const Found& one : known_here(api, request, [&unseen](const Experiment& experiment) {
         return (experiment.provisional() && experiment.far_id.empty()) || unseen.of(experiment);
       }))
    ids.push_back(one.experiment.id);
  return ids;
}

std::vector<Found> rest_of_ours(const Api& api, const ExperimentRequest& request,
                                const std::vector<std::string>& ours) {
  std::vector<Found> found;
  for (std::size_t at = request.from.here; at < ours.size(); ++at) {
    auto one = api.experiments.by_id(ours[at]);
    if (!one) continue;
    ExperimentPlace place(request.order, *one, one->id);
    found.push_back({*std::move(one), std::move(place), at});
  }
  return found;
}

// What of the far side's page is to be told as it is there.
std::vector<Found> told_there(Api& api, const ExperimentRequest& request, const FarExperiments& far,
                              const UnseenEdits& unseen) {
  const auto& from = request.from;
  std::vector<Found> found;
  for (std::size_t at = from.there; at < far.experiments.size(); ++at) {
    Experiment one = far.experiments[at];
    ExperimentPlace place(request.order, one, one.far_id);
    one.id = one.far_id;
    if (const auto known = api.experiments.by_name(one.name)) {
      const bool is_ours = std::ranges::find(from.ours, known->id) != from.ours.end();
      const bool newer_here = unseen.of(*known);
      // What nobody here has asked for is told, not kept: there may be very many.
      one = keep_experiment(api, std::move(one), unseen);
      if (is_ours || (newer_here && (!from.with_far_side || !is_looked_for(request, one)))) continue;
    }
    found.push_back({std::move(one), std::move(place), at});
  }
  return found;
}

}  // namespace

ExperimentPage known_experiments(const Api& api, const ExperimentRequest& request) {
  const auto& from = request.from;
  auto known = from.with_far_side ? rest_of_ours(api, request, from.ours)
                                  : known_here(api, request, [](const Experiment&) { return true; });
  ExperimentPage page;
  const std::size_t begin = from.with_far_side ? 0 : std::min(from.here, known.size());
  const std::size_t end = std::min(known.size(), begin + request.max_results);
  for (std::size_t i = begin; i < end; ++i) page.experiments.push_back(std::move(known[i].experiment));
  if (end == known.size()) return page;
  page.next = from;
  page.next->here = from.with_far_side ? known[end].at : end;
  return page;
}

ExperimentPage merged_experiments(Api& api, const ExperimentRequest& request, const FarExperiments& far,
                                  const UnseenEdits& unseen) {
  const auto& from = request.from;
  auto there = told_there(api, request, far, unseen);
  ExperimentPosition next = from;
  next.with_far_side = true;
  // After that: what it has said of those that clients know decides whether they are told from here.
  if (!from.with_far_side) next.ours = only_ours(api, request, unseen);
  auto here = rest_of_ours(api, request, next.ours);
  const bool far_has_more = !far.next_page.empty();
  ExperimentPage page;
  std::size_t h = 0, t = 0;
  while (page.experiments.size() < request.max_results) {
    if (t == there.size() && (far_has_more || h == here.size())) break;
    const bool is_here = h < here.size() && (t == there.size() || here[h].place.before(there[t].place));
    page.experiments.push_back(std::move(is_here ? here[h++].experiment : there[t++].experiment));
  }
  const bool page_there_ended = t == there.size();
  if (h == here.size() && page_there_ended && !far_has_more) return page;
  next.here = h == here.size() ? next.ours.size() : here[h].at;
  next.there = page_there_ended ? far.experiments.size() : there[t].at;
  next.there_has_more = !page_there_ended || far_has_more;
  if (page_there_ended && far_has_more) {
    next.there_page = far.next_page;
    next.there = 0;
  }
  page.next = std::move(next);
  return page;
}

std::string filter_for_far_side(const Api& api, const ExperimentRequest& request) {
  std::string filter = request.filter_text;
  // From the end, so that what stands before keeps its place.
  for (auto clause = request.filter.rbegin(); clause != request.filter.rend(); ++clause) {
    if (clause->field != ExperimentField::id) continue;
    std::vector<std::string> ids;
    for (const std::int64_t id : clause->ids) {
      const auto known = api.experiments.by_id(std::to_string(id));
      ids.push_back(
          fmt::format("'{}'", known && !known->far_id.empty() ? known->far_id : std::to_string(id)));
    }
    // Python takes a list of one for a text in parentheses, which will do.
    const bool is_list = clause->op == SearchOp::in || clause->op == SearchOp::not_in;
    const std::string all = fmt::format("{}", fmt::join(ids, ", "));
    filter.replace(clause->at, clause->size, is_list ? fmt::format("({})", all) : all);
  }
  return filter;
}

}  // namespace spanferry::ingest
