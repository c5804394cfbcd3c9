#include "config/load.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "config/destinations.hpp"
#include "config/environment.hpp"
#include "config/profiles.hpp"
#include "config/routes.hpp"

namespace spanferry::config {
namespace {

std::string as_text(const Raw& raw) {
  return raw.is_list ? fmt::format("[{}]", fmt::join(raw.texts, ", ")) : raw.texts.front();
}

bool is_loopback_address(std::string_view address) {
  return address.starts_with("127.") || address.starts_with("[::1]:");
}

class Loader {
 public:
  explicit Loader(const Input& input) : input_(input) {}

  std::expected<Loaded, std::vector<std::string>> run() {
    read_file();
    layers_.push_back(values_from_environment(input_.environment, problems_));
    read_flags();
    take_keys();
    take_context();
    take_destinations();
    if (list_node("routes") != nullptr)
      loaded_.settings.ingest.routes =
          read_routes(*list_node("routes"), loaded_.file, problems_, loaded_.shown);
    // What follows compares values, which must have been understood.
    if (problems_.lines.empty()) take_machine_defaults();
    if (problems_.lines.empty()) check_whole();
    if (!problems_.lines.empty()) return std::unexpected(std::move(problems_.lines));
    return std::move(loaded_);
  }

 private:
  void read_file() {
    const auto from_environment = variable(input_.environment, "SPANFERRY_CONFIG");
    if (input_.file)
      loaded_.file = *input_.file;
    else if (!from_environment.empty())
      loaded_.file = from_environment;
    else if (input_.machine.is_file(std::string(kUsualFile)))
      loaded_.file = kUsualFile;
    else
      return;
    const auto text = input_.machine.read_file(loaded_.file);
    if (!text) {
      problems_.lines.push_back(text.error().sentence);
      return;
    }
    auto root = parse_document(*text);
    if (!root) {
      problems_.lines.push_back(fmt::format("{}:{}", loaded_.file, root.error().sentence));
      return;
    }
    root_ = std::move(*root);
    if (root_.kind == Node::Kind::null) return;
    if (root_.kind != Node::Kind::map)
      return problems_.add(fmt::format("{}:{}:{}", loaded_.file, root_.at.line, root_.at.column), "",
                           "must be a map of keys, like `listen:`");
    std::vector<const KeySpec*> table;
    for (const auto& key : keys()) table.push_back(&key);
    MapReader reader(loaded_.file, "", std::move(table), {"destinations", "routes", "context"}, problems_);
    auto values = reader.read(root_, [](const std::string&, const Node::Entry&) {});
    if (const auto* context = root_.find("context"))
      values.merge(read_context(*context, loaded_.file, problems_));
    layers_.push_back(std::move(values));
  }

  [[nodiscard]] const Node* list_node(std::string_view name) const { return root_.find(name); }

  void read_flags() {
    RawValues values;
    for (const auto& flag : input_.flags) {
      const auto where = fmt::format("flag {}", flag.given_as);
      const auto known = std::ranges::find(keys(), flag.key, &Key::path);
      if (known == keys().end() && !flag.key.starts_with("context.")) {
        std::vector<std::string_view> names;
        for (const auto& key : keys()) names.push_back(key.path);
        const auto near = nearest(flag.key, names);
        problems_.add(
            where, flag.key,
            near.empty() ? "unknown key" : fmt::format("unknown key (nearest known key: {})", near));
        continue;
      }
      Raw raw{.texts = {flag.value}, .is_list = false, .origin = where, .where = where};
      // A repeated flag makes a list where the key takes one; else the last one counts.
      const bool many =
          known != keys().end() && (known->type == Type::addresses || known->type == Type::texts);
      if (const auto it = values.find(flag.key); many && it != values.end()) {
        it->second.texts.push_back(flag.value);
        it->second.is_list = true;
      } else {
        values.insert_or_assign(flag.key, std::move(raw));
      }
    }
    layers_.push_back(std::move(values));
  }

  // Every layer's value is checked, the last one counts.
  void take_keys() {
    for (const auto& key : keys()) {
      const Raw* winner = nullptr;
      std::optional<Value> value;
      for (const auto& layer : layers_) {
        const auto it = layer.find(key.path);
        if (it == layer.end() || (it->second.blank() && key.type != Type::addresses)) continue;
        auto parsed = parse_value(key, it->second.texts, it->second.is_list);
        if (!parsed) {
          problems_.add(it->second.where, key.path, parsed.error());
          continue;
        }
        winner = &it->second;
        value = std::move(*parsed);
      }
      if (winner == nullptr) {
        loaded_.shown.push_back({std::string(key.path), std::string(key.default_value), "default"});
        continue;
      }
      said_.insert(key.path);
      if (const auto problem = key.apply(loaded_.settings, *value); !problem.empty())
        problems_.add(winner->where, key.path, problem);
      loaded_.shown.push_back({std::string(key.path), as_text(*winner), winner->origin});
    }
  }

  void take_context() {
    RawValues context;
    for (const auto& layer : layers_)
      for (auto it = layer.lower_bound("context."); it != layer.end() && it->first.starts_with("context.");
           ++it)
        if (!it->second.blank()) context.insert_or_assign(it->first, it->second);
    for (const auto& [path, raw] : context) {
      loaded_.settings.uploader.context.emplace(path.substr(path.find('.') + 1), raw.texts.front());
      loaded_.shown.push_back({path, raw.texts.front(), raw.origin});
    }
  }

  void take_destinations() {
    std::vector<RawDestination> all;
    if (const auto* list = list_node("destinations")) all = read_destinations(*list, loaded_.file, problems_);
    const bool listed = !all.empty() || !problems_.lines.empty();
    const auto variables = destination_variables_set(input_.environment);
    if (!all.empty()) {
      if (!variables.empty())
        loaded_.notices.push_back(
            fmt::format("{} is ignored: {} lists destinations", fmt::join(variables, ", "), loaded_.file));
    } else if (auto env = destination_from_environment(input_.environment, input_.machine, problems_,
                                                       loaded_.notices)) {
      all.push_back(std::move(*env));
    }
    std::set<std::string> names;
    auto& destinations = loaded_.settings.uploader.destinations;
    for (auto& raw : all) {
      if (!take_its_profile(raw)) continue;
      auto destination = build_destination(raw, problems_, loaded_.shown, loaded_.notices);
      if (!destination) continue;
      if (!names.insert(destination->name).second)
        problems_.add(raw.where, raw.label + ".name",
                      fmt::format("'{}' is taken by another destination", destination->name));
      decide_when_behind(raw, *destination);
      destinations.push_back(std::move(*destination));
    }
    if (destinations.empty() && !listed) {
      destinations.push_back(local_destination());
      loaded_.shown.push_back({"destinations[0].name", "local", "default"});
      loaded_.shown.push_back({"destinations[0].kind", "local", "default"});
    }
    loaded_.settings.spool.local_only =
        std::ranges::all_of(destinations, [](const auto& d) { return d.kind == uploader::Kind::local; });
    if (std::ranges::count(destinations, uploader::Kind::local, &uploader::DestinationSettings::kind) > 1)
      problems_.add(loaded_.file, "destinations",
                    "more than one is of kind local; they would be the same view");
  }

  // False: there were problems, all of them told.
  bool take_its_profile(RawDestination& raw) {
    const auto it = raw.values.find("profile");
    if (it == raw.values.end() || it->second.blank() || it->second.is_list) return true;
    const auto before = problems_.lines.size();
    take_profile(raw,
                 {.name = it->second.texts.front(),
                  .where = fmt::format("{}: {}.profile", it->second.where, raw.label)},
                 input_.environment, input_.machine, problems_);
    return problems_.lines.size() == before;
  }

  // The log waits for the first destination and not for the others, unless they say so.
  void decide_when_behind(const RawDestination& raw, uploader::DestinationSettings& destination) {
    using uploader::WhenBehind;
    if (destination.kind == uploader::Kind::local) return;
    const auto said = raw.values.find("when_behind");
    if (said == raw.values.end() || said->second.blank()) {
      const bool is_first = std::ranges::all_of(loaded_.settings.uploader.destinations, [](const auto& d) {
        return d.kind == uploader::Kind::local;
      });
      destination.when_behind = is_first ? WhenBehind::block : WhenBehind::drop;
      loaded_.shown.push_back({raw.label + ".when_behind", is_first ? "block" : "drop", "default"});
    }
    if (destination.when_behind == WhenBehind::block && destination.max_lag_bytes != 0)
      problems_.add(raw.where, raw.label + ".max_lag_bytes",
                    "has no meaning with when_behind: block, which waits as long as it takes");
  }

  void show(std::string_view path, std::string value, std::string origin) {
    const auto it = std::ranges::find(loaded_.shown, path, &Shown::key);
    it->value = std::move(value);
    it->origin = std::move(origin);
  }

  void take_machine_defaults() {
    auto& spool = loaded_.settings.spool;
    if (!said_.contains("spool.directory")) {
      const auto choice = default_spool_directory(input_.environment, input_.machine);
      if (choice.directory.empty())
        return problems_.add("spool.directory", "",
                             "no directory can be written: set SPANFERRY_SPOOL_DIRECTORY or spool.directory");
      spool.directory = choice.directory;
      show("spool.directory", choice.directory, choice.because);
    }
    const auto filesystem = input_.machine.filesystem_bytes(spool.directory);
    const auto decide = [&](std::string_view path, std::uint64_t& value, std::uint64_t chosen) {
      if (said_.contains(path)) return;
      value = chosen;
      show(path, format_size(chosen), "default");
    };
    decide("spool.max_bytes", spool.max_bytes, default_max_bytes(filesystem));
    decide("spool.min_free_bytes", spool.min_free_bytes, default_min_free_bytes(filesystem));
    // Never more than a small spool can spare.
    decide("spool.dead_letter_max_bytes", spool.dead_letter_max_bytes,
           std::min<std::uint64_t>(256ULL << 20, spool.max_bytes / 4));
    decide("spool.parked_max_bytes", spool.parked_max_bytes, spool.max_bytes / 4);
    decide("spool.retain.bytes", spool.retain_bytes,
           spool.local_only ? std::min<std::uint64_t>(2ULL << 30, spool.max_bytes / 2) : 16ULL << 20);
    if (!said_.contains("spool.retain.age")) {
      spool.retain_age =
          spool.local_only ? std::chrono::days(30) : std::chrono::seconds(std::chrono::hours(1));
      show("spool.retain.age", format_duration(spool.retain_age), "default");
    }
  }

  void check_whole() {
    const auto& settings = loaded_.settings;
    const auto origin = [&](std::string_view path) {
      return std::ranges::find(loaded_.shown, path, &Shown::key)->origin;
    };
    if (settings.spool.dead_letter_max_bytes > settings.spool.max_bytes)
      problems_.add(origin("spool.dead_letter_max_bytes"), "spool.dead_letter_max_bytes",
                    "is larger than spool.max_bytes, of which it is a part");
    if (settings.spool.parked_max_bytes > settings.spool.max_bytes)
      problems_.add(origin("spool.parked_max_bytes"), "spool.parked_max_bytes",
                    "is larger than spool.max_bytes, of which it is a part");
    if (settings.spool.retain_bytes > settings.spool.max_bytes)
      problems_.add(origin("spool.retain.bytes"), "spool.retain.bytes",
                    "is larger than spool.max_bytes, of which it is a part");
    if (settings.ingest.http.empty() && settings.ingest.udp.empty())
      problems_.add(origin("listen.http"), "listen.http", "both doors are off: nothing could come in");
    check_mlflow_api(origin("mlflow_api.destination"));
    if (settings.ingest.allow_remote) return;
    if (!settings.ingest.token_file.empty()) return tell_open_udp();
    for (const auto& [path, addresses] :
         {std::pair{"listen.http", &settings.ingest.http}, std::pair{"listen.udp", &settings.ingest.udp}})
      for (const auto& address : *addresses)
        if (!is_loopback_address(address))
          problems_.add(origin(path), path,
                        fmt::format("{} is reachable from outside this machine: set listen.token_file, or "
                                    "listen.allow_remote: true",
                                    address));
  }

  void check_mlflow_api(const std::string& origin) {
    using uploader::Kind;
    const std::string& wanted = loaded_.settings.ingest.mlflow_api.destination;
    if (wanted.empty()) return;
    for (const auto& destination : loaded_.settings.uploader.destinations)
      if (destination.name == wanted &&
          (destination.kind == Kind::databricks || destination.kind == Kind::mlflow))
        return;
    problems_.add(origin, "mlflow_api.destination",
                  fmt::format("there is no destination `{}` of kind databricks or mlflow", wanted));
  }

  void tell_open_udp() {
    for (const auto& address : loaded_.settings.ingest.udp)
      if (!is_loopback_address(address))
        loaded_.notices.push_back(fmt::format(
            "listen.udp: {} takes datagrams from other machines, and those carry no token", address));
  }

  const Input& input_;
  Problems problems_;
  Loaded loaded_;
  Node root_;
  std::vector<RawValues> layers_;  // file, environment, flags
  std::set<std::string_view> said_;
};

}  // namespace

std::expected<Loaded, std::vector<std::string>> load(const Input& input) { return Loader(input).run(); }

Environment this_environment() {
  Environment all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (const auto equals = text.find('='); equals != std::string_view::npos)
      all.insert_or_assign(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
  }
  return all;
}

}  // namespace spanferry::config
