#include "uploader/mlflow_experiments.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "model/crc32c.hpp"
#include "model/json_writer.hpp"
#include "model/percent_encode.hpp"
#include "model/provisional_id.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/location_link.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxKnown = 4096;
constexpr std::size_t kMaxNameBytes = 2048;
constexpr std::size_t kMaxUnknown = 1000;

Verdict impossible(int status, std::string reason) {
  Verdict verdict;
  verdict.action = Action::split;
  verdict.status = status;
  verdict.reason = std::move(reason);
  return verdict;
}

// Somebody may still create it: what is for it waits.
Verdict not_now(int status, std::string reason) {
  Verdict verdict = impossible(status, std::move(reason));
  verdict.action = Action::held;
  return verdict;
}

}  // namespace

std::string MlflowExperiments::Wanted::describe() const {
  return id.empty() ? fmt::format("experiment {}", name) : fmt::format("experiment id {}", id);
}

MlflowExperiments::MlflowExperiments(const DestinationSettings& settings, spool::Spool& spool, Sender& sender,
                                     std::chrono::milliseconds trust_for)
    : settings_(settings),
      spool_(spool),
      sender_(sender),
      trust_for_(trust_for),
      links_(spool),
      surface_(settings.kind == Kind::databricks ? Surface::databricks_api : Surface::mlflow_api) {}

// Under the name that it was given out for, here as at every other destination; one that nobody remembers
// (the spool was lost) means the destination's own experiment.
std::optional<std::string> MlflowExperiments::name_behind(const std::string& provisional_id) {
  const auto value = spool_.load(provisional_key(provisional_id));
  const auto known = value && *value ? parse_provisional(**value) : std::nullopt;
  if (known) return known->name;
  if (unknown_.size() < kMaxUnknown && unknown_.insert(provisional_id).second)
    spdlog::warn(
        "destination {}: nobody remembers what experiment id {} was given out for; what is for it goes "
        "to the destination's own experiment ({} such ids so far)",
        settings_.name, provisional_id, unknown_.size());
  return std::nullopt;
}

MlflowExperiments::Wanted MlflowExperiments::wanted(const Route& route) {
  if (is_provisional_id(route.experiment_id)) {
    if (auto name = name_behind(route.experiment_id)) return {{}, *std::move(name), false};
    return {settings_.experiment_id, settings_.experiment_id.empty() ? settings_.experiment : "", true};
  }
  if (!route.experiment_id.empty()) return {route.experiment_id, {}, false};
  if (!route.experiment_name.empty()) return {{}, route.experiment_name, false};
  return {settings_.experiment_id, settings_.experiment_id.empty() ? settings_.experiment : "", true};
}

std::string MlflowExperiments::key(const Wanted& wanted) const {
  // A destination that is pointed elsewhere finds other ids there.
  return fmt::format("exp/{}/{:08x}/{}", settings_.name, crc32c(settings_.url),
                     wanted.id.empty() ? "n:" + wanted.name : "i:" + wanted.id);
}

std::optional<Experiment> MlflowExperiments::cached(const std::string& key) {
  if (const auto found = known_.find(key); found != known_.end()) return found->second.experiment;
  const auto stored = spool_.load(key);
  if (!stored || !*stored) return std::nullopt;
  Experiment experiment = decode_experiment(**stored);
  if (!is_experiment_id(experiment.id)) return std::nullopt;
  experiment = links_.with_history(key, std::move(experiment));
  // What an earlier process knew of a workspace may have been linked to Unity Catalog since.
  const auto now = std::chrono::steady_clock::now();
  const auto confirmed = settings_.kind == Kind::databricks ? now - trust_for_ : now;
  if (known_.size() < kMaxKnown) known_.insert_or_assign(key, Known{experiment, confirmed});
  return experiment;
}

Experiment MlflowExperiments::keep(const std::string& key, Experiment experiment) {
  experiment = links_.with_history(key, std::move(experiment));
  if (known_.size() < kMaxKnown)
    known_.insert_or_assign(key, Known{experiment, std::chrono::steady_clock::now()});
  spool_.put(key, encode(experiment));
  return experiment;
}

void MlflowExperiments::forget(const Route& route) {
  const std::string name = key(wanted(route));
  known_.erase(name);
  spool_.erase(name);
}

asio::awaitable<std::expected<Experiment, Verdict>> MlflowExperiments::resolve(const Route& route) {
  const Wanted want = wanted(route);
  if (want.id.empty() && want.name.empty()) {
    if (settings_.kind == Kind::databricks) co_return co_await pause_without_experiment();
    co_return Experiment{"0", {}};  // the server's Default
  }
  const std::string name = key(want);
  if (auto known = cached(name); known && !wants_link(*known)) {
    auto still = co_await confirmed(want, *std::move(known));
    if (still) co_return *std::move(still);
  }
  Answer answer = co_await look_up(want);
  const bool is_impossible = !answer && answer.error().action == Action::split;
  if (is_impossible && want.configured) answer = co_await pause_until_found(want, answer.error().reason);
  if (answer) co_return keep(name, *std::move(answer));
  co_return answer;
}

// A server takes spans for a deleted experiment without a word and shows them to nobody: now and then it is
// asked.
asio::awaitable<std::optional<Experiment>> MlflowExperiments::confirmed(const Wanted& wanted,
                                                                        Experiment known) {
  const std::string name = key(wanted);
  const auto found = known_.find(name);
  const auto now = std::chrono::steady_clock::now();
  if (found == known_.end() || now - found->second.confirmed < trust_for_) co_return known;
  found->second.confirmed = now;  // others need not ask as well
  const Verdict verdict = co_await get(wanted);
  if (verdict.action == Action::done) {
    const auto described = parse_experiment(verdict.response.body);
    if (!described) co_return known;
    if (!described->deleted) {
      if (wants_link(described->experiment)) co_return std::nullopt;
      co_return keep(name, described->experiment);
    }
  } else if (verdict.action != Action::not_found) {
    co_return known;
  }
  known_.erase(name);
  spool_.erase(name);
  co_return std::nullopt;
}

asio::awaitable<MlflowExperiments::Answer> MlflowExperiments::look_up(const Wanted& wanted) {
  if (!wanted.id.empty() && !is_experiment_id(wanted.id))
    co_return std::unexpected(
        impossible(0, fmt::format("`{}` is no experiment id: it must be digits", wanted.id.substr(0, 64))));
  if (wanted.name.size() > kMaxNameBytes)
    co_return std::unexpected(
        impossible(0, fmt::format("an experiment's name of {} bytes is over the limit of {}",
                                  wanted.name.size(), kMaxNameBytes)));
  Verdict verdict = co_await get(wanted);
  auto found = found_in(wanted, verdict);
  const bool is_gone = verdict.action == Action::not_found || (found && found->deleted);
  if (is_gone && wanted.id.empty() && settings_.create_experiment) {
    const Verdict created = co_await create(wanted);
    // Somebody else was faster, or this is ours, or a deleted one keeps the name: what it is, with its tags,
    // the server knows.
    const bool is_there = created.action == Action::done || created.action == Action::exists;
    verdict = is_there ? co_await get(wanted) : created;
    found = found_in(wanted, verdict);
    if (created.action == Action::exists &&
        (verdict.action == Action::not_found || (found && found->deleted)))
      co_return std::unexpected(deleted(wanted, verdict.status));
  }
  if (!found) co_return std::unexpected(std::move(found.error()));
  if (found->deleted) co_return std::unexpected(deleted(wanted, verdict.status));
  if (wants_link(found->experiment)) co_return co_await link(wanted, std::move(found->experiment));
  co_return std::move(found->experiment);
}

bool MlflowExperiments::wants_link(const Experiment& experiment) const {
  return settings_.kind == Kind::databricks && !settings_.unity_catalog.empty() &&
         experiment.unity_catalog_table.empty();
}

asio::awaitable<MlflowExperiments::Answer> MlflowExperiments::link(const Wanted& wanted,
                                                                   Experiment experiment) {
  if (!settings_.create_experiment)
    co_return std::unexpected(
        not_now(0, fmt::format("{} is not linked to the Unity Catalog location {}; link it, or allow it by "
                               "`create_experiment: true`",
                               wanted.describe(), settings_.unity_catalog)));
  const auto location = co_await link_to_location(settings_, sender_, experiment.id);
  if (!location) {
    Verdict verdict = location.error();
    if (verdict.action == Action::stopped || verdict.action == Action::held)
      co_return std::unexpected(std::move(verdict));
    co_return std::unexpected(
        not_now(verdict.status, fmt::format("{} cannot be linked to the Unity Catalog location {}: {}",
                                            wanted.describe(), settings_.unity_catalog, verdict.reason)));
  }
  // What came of it, the experiment's tags tell; the older form of the API leaves none.
  auto linked = found_in(wanted, co_await get(wanted));
  if (!linked) co_return std::unexpected(std::move(linked.error()));
  if (linked->experiment.unity_catalog_table.empty()) {
    linked->experiment.unity_catalog_path = location->path;
    linked->experiment.unity_catalog_table = location->spans_table;
  }
  co_return std::move(linked->experiment);
}

// What the answer to a look-up says.
std::expected<DescribedExperiment, Verdict> MlflowExperiments::found_in(const Wanted& wanted,
                                                                        const Verdict& verdict) const {
  if (verdict.action == Action::stopped || verdict.action == Action::held) return std::unexpected(verdict);
  if (verdict.action == Action::not_found && (wanted.id.empty() || wanted.configured))
    return std::unexpected(not_now(
        verdict.status,
        fmt::format("{} does not exist at {}; create it{}, or name another one", wanted.describe(),
                    settings_.url,
                    settings_.create_experiment ? "" : ", or allow it by `create_experiment: true`")));
  if (verdict.action != Action::done)
    return std::unexpected(impossible(
        verdict.status,
        fmt::format("{} cannot be had from {}: {}", wanted.describe(), settings_.url, verdict.reason)));
  auto described = parse_experiment(verdict.response.body);
  if (!described)
    return std::unexpected(impossible(
        verdict.status,
        fmt::format("{} does not answer as an MLflow server does (experiments/get)", settings_.url)));
  return *std::move(described);
}

Verdict MlflowExperiments::deleted(const Wanted& wanted, int status) const {
  return not_now(status,
                 fmt::format("{} is deleted at {}; restore it there, delete it permanently so that it "
                             "can be made anew, or name another one",
                             wanted.describe(), settings_.url));
}

asio::awaitable<Verdict> MlflowExperiments::get(const Wanted& wanted) {
  const std::string url =
      wanted.id.empty()
          ? join_url(settings_.url, "/api/2.0/mlflow/experiments/get-by-name?experiment_name=") +
                percent_encode(wanted.name)
          : join_url(settings_.url, "/api/2.0/mlflow/experiments/get?experiment_id=") +
                percent_encode(wanted.id);
  const auto make = [url] {
    net::HttpRequest request;
    request.method = "GET";
    request.url = url;
    return request;
  };
  co_return held_if_forbidden(co_await sender_.send(surface_, make, Scope::experiment));
}

asio::awaitable<Verdict> MlflowExperiments::create(const Wanted& wanted) {
  auto body = std::make_shared<std::string>();
  JsonWriter(*body).begin_object().field("name", wanted.name).end_object();
  const std::string url = join_url(settings_.url, "/api/2.0/mlflow/experiments/create");
  const auto make = [url, body] {
    net::HttpRequest request;
    request.url = url;
    request.headers.emplace_back("Content-Type", "application/json");
    request.body.push_back(body);
    return request;
  };
  co_return held_if_forbidden(co_await sender_.send(surface_, make, Scope::experiment));
}

asio::awaitable<MlflowExperiments::Answer> MlflowExperiments::pause_until_found(Wanted wanted,
                                                                                std::string reason) {
  Answer found = std::unexpected(Verdict{});
  co_await sender_.pause_config(std::move(reason), [&]() -> asio::awaitable<bool> {
    found = co_await look_up(wanted);
    co_return found.has_value();
  });
  if (!found) co_return std::unexpected(Verdict{});  // stopped
  co_return found;
}

asio::awaitable<MlflowExperiments::Answer> MlflowExperiments::pause_without_experiment() {
  const std::string reason = fmt::format(
      "no experiment is configured for {}: set MLFLOW_EXPERIMENT_NAME, or `experiment` of destination {}",
      settings_.url, settings_.name);
  // Settings are read at start: only a restart ends this.
  co_await sender_.pause_config(reason, []() -> asio::awaitable<bool> { co_return false; });
  co_return std::unexpected(Verdict{});
}

}  // namespace spanferry::uploader
