#include "config/routes.hpp"

#include <fmt/format.h>

namespace spanferry::config {
namespace {

constexpr std::string_view kResource = "resource.";

class RouteReader {
 public:
  RouteReader(std::string label, MapReader& reader, Problems& problems)
      : label_(std::move(label)), reader_(reader), problems_(problems) {}

  ingest::RouteRule read(const Node& item, std::vector<Shown>& shown) {
    bool has_match = false;
    const auto values = reader_.read(item, [&](const std::string&, const Node::Entry& entry) {
      has_match = true;
      read_match(entry);
    });
    take(values, "experiment", rule_.route.experiment_name, shown);
    take(values, "experiment_id", rule_.route.experiment_id, shown);
    if (rule_.route.experiment_id.find_first_not_of("0123456789") != std::string::npos)
      problems_.add(values.at("experiment_id").where, label_ + ".experiment_id", "must be digits");
    if (!has_match) problems_.add(reader_.where(item.at), label_, "`match` is missing");
    if (rule_.route.experiment_name.empty() == rule_.route.experiment_id.empty())
      problems_.add(reader_.where(item.at), label_, "needs one of experiment and experiment_id");
    for (const auto& [attribute, pattern] : rule_.resource)
      shown.push_back(
          {fmt::format("{}.match.{}{}", label_, kResource, attribute), pattern, reader_.origin(item.at)});
    return std::move(rule_);
  }

 private:
  void read_match(const Node::Entry& match) {
    if (match.value.kind != Node::Kind::map || match.value.entries.empty())
      return problems_.add(reader_.where(match.value.at), label_ + ".match",
                           "must be a map like {resource.service.name: \"chat-*\"}");
    for (const auto& entry : match.value.entries) {
      const auto path = fmt::format("{}.match.{}", label_, entry.key);
      if (!entry.key.starts_with(kResource) || entry.key.size() == kResource.size())
        problems_.add(reader_.where(entry.at), path,
                      "must be resource.ATTRIBUTE, like resource.service.name");
      else if (entry.value.kind != Node::Kind::scalar)
        problems_.add(reader_.where(entry.value.at), path, "must be a pattern");
      else if (!rule_.resource.emplace(entry.key.substr(kResource.size()), entry.value.text).second)
        problems_.add(reader_.where(entry.at), path, "repeated");
    }
  }

  void take(const RawValues& values, std::string_view key, std::string& into, std::vector<Shown>& shown) {
    const auto it = values.find(key);
    if (it == values.end() || it->second.blank()) return;
    const auto path = fmt::format("{}.{}", label_, key);
    if (it->second.is_list) return problems_.add(it->second.where, path, "takes one value, not a list");
    into = it->second.texts.front();
    shown.push_back({path, into, it->second.origin});
  }

  std::string label_;
  MapReader& reader_;
  Problems& problems_;
  ingest::RouteRule rule_;
};

}  // namespace

std::vector<ingest::RouteRule> read_routes(const Node& list, const std::string& file, Problems& problems,
                                           std::vector<Shown>& shown) {
  std::vector<ingest::RouteRule> rules;
  const auto where = [&](Position at) { return fmt::format("{}:{}:{}", file, at.line, at.column); };
  if (list.kind == Node::Kind::null) return rules;
  if (list.kind != Node::Kind::list) {
    problems.add(where(list.at), "routes", "must be a list, each item with `match` and `experiment`");
    return rules;
  }
  std::vector<const KeySpec*> table;
  for (const auto& key : route_keys())
    if (key.path != "match") table.push_back(&key);
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const auto label = fmt::format("routes[{}]", i);
    if (list.items[i].kind != Node::Kind::map) {
      problems.add(where(list.items[i].at), label, "must be a map of keys");
      continue;
    }
    MapReader reader(file, label, table, {"match"}, problems);
    rules.push_back(RouteReader(label, reader, problems).read(list.items[i], shown));
  }
  return rules;
}

RawValues read_context(const Node& map, const std::string& file, Problems& problems) {
  RawValues values;
  const auto where = [&](Position at) { return fmt::format("{}:{}:{}", file, at.line, at.column); };
  if (map.kind == Node::Kind::null) return values;
  if (map.kind != Node::Kind::map) {
    problems.add(where(map.at), "context", "must be a map of TAG: VALUE");
    return values;
  }
  for (const auto& entry : map.entries) {
    const auto path = fmt::format("context.{}", entry.key);
    if (entry.value.kind == Node::Kind::null) continue;
    if (entry.value.kind != Node::Kind::scalar) {
      problems.add(where(entry.value.at), path, "must be a text");
      continue;
    }
    Raw raw{.texts = {entry.value.text},
            .is_list = false,
            .origin = fmt::format("{}:{}", file, entry.value.at.line),
            .where = where(entry.value.at)};
    if (!values.emplace(path, std::move(raw)).second) problems.add(where(entry.at), path, "repeated");
  }
  return values;
}

}  // namespace spanferry::config
