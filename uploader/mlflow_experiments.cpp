#include "uploader/mlflow_experiments.hpp"

#include <fmt/format.h>

#include "model/crc32c.hpp"
#include "model/json_writer.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/experiment_answer.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxKnown = 4096;
constexpr std::size_t kMaxNameBytes = 2048;

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

MlflowExperiments::MlflowExperiments(const DestinationSettings& settings, spool::Spool& spool, Sender& sender)
    : settings_(settings),
      spool_(spool),
      sender_(sender),
      surface_(settings.kind == Kind::databricks ? Surface::databricks_api : Surface::mlflow_api) {}

MlflowExperiments::Wanted MlflowExperiments::wanted(const Route& route) const {
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
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  const auto stored = spool_.load(key);
  if (!stored || !*stored) return std::nullopt;
  const std::string& text = **stored;
  const std::size_t line = text.find('\n');
  Experiment experiment{text.substr(0, line), line == std::string::npos ? "" : text.substr(line + 1)};
  if (!is_experiment_id(experiment.id)) return std::nullopt;
  if (known_.size() < kMaxKnown) known_.emplace(key, experiment);
  return experiment;
}

void MlflowExperiments::keep(const std::string& key, const Experiment& experiment) {
  if (known_.size() < kMaxKnown) known_.insert_or_assign(key, experiment);
  spool_.put(key, experiment.id + "\n" + experiment.unity_catalog_table);
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
  if (auto known = cached(name)) co_return *std::move(known);
  Answer answer = co_await look_up(want);
  // Without its own experiment the destination has nothing to go on with; where that is forbidden, others may
  // do.
  const bool is_missing = !answer && answer.error().action != Action::stopped && answer.error().status != 403;
  if (is_missing && want.configured) answer = co_await pause_until_found(want, answer.error().reason);
  if (answer) keep(name, *answer);
  co_return answer;
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
  if (verdict.action == Action::not_found && wanted.id.empty()) {
    if (!settings_.create_experiment)
      co_return std::unexpected(
          not_now(verdict.status, fmt::format("{} does not exist at {}; create it, or allow it by "
                                              "`create_experiment: true`",
                                              wanted.describe(), settings_.url)));
    verdict = co_await create(wanted);
    // Somebody else was faster, or this is ours: what it is, with its tags, the server knows.
    if (verdict.action == Action::done || verdict.action == Action::exists) verdict = co_await get(wanted);
  }
  if (verdict.action == Action::stopped || verdict.action == Action::held)
    co_return std::unexpected(std::move(verdict));
  if (verdict.action != Action::done)
    co_return std::unexpected(impossible(
        verdict.status,
        fmt::format("{} cannot be had from {}: {}", wanted.describe(), settings_.url, verdict.reason)));
  auto described = parse_experiment(verdict.response.body);
  if (!described)
    co_return std::unexpected(impossible(
        verdict.status,
        fmt::format("{} does not answer as an MLflow server does (experiments/get)", settings_.url)));
  if (described->deleted)
    co_return std::unexpected(
        impossible(verdict.status, fmt::format("{} is deleted at {}; restore it there or name another one",
                                               wanted.describe(), settings_.url)));
  co_return std::move(described->experiment);
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
