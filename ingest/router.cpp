#include "ingest/router.hpp"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include "ingest/limits.hpp"
#include "model/utf8.hpp"

namespace spanferry::ingest {
namespace {

inline constexpr std::size_t kMaxExperimentIdDigits = 32;

bool is_experiment_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxExperimentIdDigits &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

Result<std::string> checked(std::string_view header, std::string_view value) {
  if (value.size() > kMaxRouteHeaderBytes) {
    return fail(ErrorKind::invalid_input,
                fmt::format("{} is longer than {} bytes", header, kMaxRouteHeaderBytes));
  }
  if (!is_valid_utf8(value)) return fail(ErrorKind::invalid_input, fmt::format("{} is not UTF-8", header));
  return std::string(value);
}

// Attributes of a resource never refuse its spans: one that cannot be a route is as good as absent.
Route route_of_resource(std::string_view resource, const std::vector<RouteRule>& rules) {
  Route route;
  if (const auto id = resource_string_attribute(resource, "mlflow.experiment_id");
      id && is_experiment_id(*id)) {
    route.experiment_id = *id;
    return route;
  }
  if (const auto name = resource_string_attribute(resource, "mlflow.experiment_name");
      name && !name->empty() && name->size() <= kMaxRouteHeaderBytes) {
    route.experiment_name = *name;
    return route;
  }
  for (const RouteRule& rule : rules) {
    const bool all = std::ranges::all_of(rule.resource, [&](const auto& wanted) {
      const auto value = resource_string_attribute(resource, wanted.first);
      return value && glob_matches(wanted.second, *value);
    });
    if (all) return rule.route;
  }
  return route;
}

spool::Entry entry_of(const Decoded& decoded, const Origin& origin, Route route,
                      std::shared_ptr<const std::string> payload, std::uint32_t spans,
                      std::vector<TraceId> traces) {
  spool::Entry entry;
  entry.header.kind = RecordKind::spans;
  entry.header.source = origin.source;
  entry.header.repaired = decoded.repaired || decoded.scan.repaired || decoded.scan.refused_spans > 0;
  entry.header.received_ns = origin.received_ns;
  entry.header.span_count = spans;
  entry.header.trace_count = static_cast<std::uint32_t>(traces.size());
  if (traces.size() == 1) entry.header.only_trace = traces.front();
  entry.header.route = std::move(route);
  entry.header.client = origin.client.substr(0, kMaxClientBytes);
  entry.payload = std::move(payload);
  entry.traces = std::move(traces);
  return entry;
}

// The resources that go one way, in the order they came.
struct Share {
  Route route;
  std::vector<const ResourceGroup*> groups;
};

spool::Entry entry_of(const Decoded& decoded, const Origin& origin, Share share) {
  std::size_t bytes = 0;
  for (const ResourceGroup* group : share.groups) bytes += group->field.size();
  auto payload = std::make_shared<std::string>();
  payload->reserve(bytes);
  std::uint32_t spans = 0;
  std::vector<TraceId> traces;
  std::unordered_set<TraceId> seen;
  for (const ResourceGroup* group : share.groups) {
    payload->append(group->field);
    spans += group->spans;
    for (const TraceId& trace : group->traces) {
      if (seen.insert(trace).second) traces.push_back(trace);
    }
  }
  return entry_of(decoded, origin, std::move(share.route), std::move(payload), spans, std::move(traces));
}

}  // namespace

Result<Route> route_of(const RouteHeaders& headers) {
  Route route;
  if (!headers.experiment_id.empty()) {
    if (!is_experiment_id(headers.experiment_id)) {
      return fail(ErrorKind::invalid_input, "x-mlflow-experiment-id must be the digits of an experiment id");
    }
    route.experiment_id = headers.experiment_id;
  }
  auto name = checked("x-spanferry-experiment", headers.experiment_name);
  if (!name) return std::unexpected(std::move(name.error()));
  auto table = checked("X-Databricks-UC-Table-Name", headers.table);
  if (!table) return std::unexpected(std::move(table.error()));
  route.experiment_name = std::move(*name);
  route.table = std::move(*table);
  return route;
}

bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;  // the last star takes one character more
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<spool::Entry> entries_of(const Decoded& decoded, const Origin& origin,
                                     const std::vector<RouteRule>& rules) {
  std::vector<spool::Entry> entries;
  const Scan& scan = decoded.scan;
  if (scan.spans == 0) return entries;
  std::vector<Share> shares;
  if (!origin.route.is_default()) {
    shares.push_back({origin.route, {}});
  } else {
    for (const ResourceGroup& group : scan.groups) {
      if (group.spans == 0) continue;
      Route route = route_of_resource(group.resource, rules);
      auto share = std::ranges::find(shares, route, &Share::route);
      if (share == shares.end()) share = shares.insert(shares.end(), {std::move(route), {}});
      share->groups.push_back(&group);
    }
  }
  if (shares.size() == 1) {
    entries.push_back(
        entry_of(decoded, origin, std::move(shares.front().route), decoded.payload, scan.spans, scan.traces));
    return entries;
  }
  entries.reserve(shares.size());
  for (Share& share : shares) entries.push_back(entry_of(decoded, origin, std::move(share)));
  return entries;
}

}  // namespace spanferry::ingest
