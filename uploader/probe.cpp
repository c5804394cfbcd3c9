#include "uploader/probe.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "model/percent_encode.hpp"
#include "uploader/access_token.hpp"
#include "uploader/credential.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/experiment_answer.hpp"
#include "uploader/probe_sentences.hpp"
#include "uploader/verdict.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
using Answer = std::expected<net::HttpResponse, net::TransportError>;

namespace {

constexpr std::size_t kMaxAnswerBytes = 1U << 20;
constexpr std::chrono::milliseconds kConnectTimeout{5000};
constexpr std::chrono::seconds kClockWarn{60}, kClockFail{300};

class Probe {
 public:
  Probe(asio::io_context& io, const DestinationSettings& settings, ProbeTuning tuning)
      : settings_(settings),
        tuning_(tuning),
        surface_(settings.kind == Kind::databricks ? Surface::databricks_api
                 : settings.kind == Kind::mlflow   ? Surface::mlflow_api
                                                   : Surface::otlp),
        client_(io, net::TlsSettings{settings.ca_file, settings.client_certificate, settings.client_key},
                "spanferry-check/" SPANFERRY_VERSION, 1),
        access_token_(io, settings, client_) {}

  asio::awaitable<void> run() {
    const auto endpoint = parse_endpoint(settings_.url);
    if (!endpoint) {
      add(Grade::fail, "address", endpoint.error().sentence, "correct `url`");
      co_return;
    }
    const bool has_credential = co_await find_credential();
    const Answer answer = co_await ask(request());
    if (!answer) {
      co_await tell_unreachable(*endpoint, answer.error());
      co_return;
    }
    const bool speaks_tls = answer->status == 400 && endpoint->scheme == "http" && co_await answers_tls();
    if (speaks_tls) {
      tell_https_spoken();
      co_return;
    }
    add(Grade::ok, "connection",
        fmt::format("{} answers{}", settings_.url,
                    endpoint->scheme == "https" ? "; its certificate is trusted" : ""));
    tell_clock(*answer);
    if (has_credential) tell_answer(*answer);
    if (!table_.empty()) co_await tell_table();
  }

  std::vector<Finding> take() { return std::move(findings_); }

 private:
  void add(Grade grade, std::string_view subject, std::string text, std::string next = {}) {
    findings_.push_back({grade, fmt::format("destination {}: {}", settings_.name, subject), std::move(text),
                         std::move(next)});
  }

  [[nodiscard]] bool names_experiment() const {
    return !settings_.experiment.empty() || !settings_.experiment_id.empty();
  }
  [[nodiscard]] std::string experiment_name() const {
    return settings_.experiment_id.empty() ? settings_.experiment : "with id " + settings_.experiment_id;
  }

  // What reads or changes nothing, and needs the credential all the same.
  [[nodiscard]] net::HttpRequest request() const {
    net::HttpRequest request;
    if (settings_.kind == Kind::otlp) {
      request.url = otlp_traces_url(settings_.url);
      request.headers.emplace_back("Content-Type", "application/x-protobuf");
      return request;
    }
    request.method = "GET";
    const std::string api = join_url(settings_.url, "/api/2.0/mlflow/experiments/");
    if (!settings_.experiment_id.empty())
      request.url = api + "get?experiment_id=" + percent_encode(settings_.experiment_id);
    else if (!settings_.experiment.empty())
      request.url = api + "get-by-name?experiment_name=" + percent_encode(settings_.experiment);
    else if (settings_.kind == Kind::mlflow)
      request.url = api + "get?experiment_id=0";  // the server's Default
    else
      request.url = api + "search?max_results=1";
    return request;
  }

  // Tells why there is none.
  asio::awaitable<bool> find_credential() {
    auto configured = credential_of(settings_);
    if (!configured) {
      add(Grade::fail, "credential", configured.error().sentence,
          "make it readable for the user that the daemon runs as, or name another file");
      co_return false;
    }
    credential_ = *std::move(configured);
    if (settings_.client_id.empty()) co_return true;
    auto token = co_await access_token_.get();
    access_token_.stop();
    if (token) {
      add_bearer(credential_, *std::move(token));
      co_return true;
    }
    // Who does not answer here will not answer to the request either, which tells more.
    if (token.error().kind != CredentialFailure::Kind::unreachable)
      add(Grade::fail, "credential", token.error().sentence,
          "check client_id and client_secret, and that the workspace knows this service principal");
    co_return false;
  }

  asio::awaitable<Answer> ask(net::HttpRequest request) {
    request.connect_timeout = std::min(kConnectTimeout, tuning_.timeout);
    request.timeout = tuning_.timeout;
    request.max_response_bytes = kMaxAnswerBytes;
    request.headers.insert(request.headers.end(), credential_.headers.begin(), credential_.headers.end());
    co_return co_await client_.perform(std::move(request));
  }

  // Whether somebody answers there by the other scheme; without the credential.
  asio::awaitable<bool> answers(std::string url) {
    net::HttpRequest request;
    request.method = "GET";
    request.url = std::move(url);
    request.connect_timeout = std::min(kConnectTimeout, tuning_.timeout);
    request.timeout = tuning_.timeout;
    const Answer answer = co_await client_.perform(std::move(request));
    using enum net::TransportFailure;
    if (answer) co_return answer->status < 500;
    const auto why = answer.error().failure;
    co_return why == tls_untrusted || why == tls_hostname || why == tls_expired;
  }
  asio::awaitable<bool> answers_tls() {
    co_return co_await answers("https" + settings_.url.substr(settings_.url.find(':')));
  }

  asio::awaitable<void> tell_unreachable(const Endpoint& endpoint, const net::TransportError& error) {
    using enum net::TransportFailure;
    const bool odd = error.failure == reset || error.failure == truncated || error.failure == tls_other;
    if (odd && endpoint.scheme == "http" && co_await answers_tls()) {
      tell_https_spoken();
      co_return;
    }
    if (odd && endpoint.scheme == "https" &&
        co_await answers("http" + settings_.url.substr(settings_.url.find(':')))) {
      add(Grade::fail, "connection", fmt::format("{} speaks plain http at this port", settings_.url),
          "write `url` with http://, or name the port that speaks https");
      co_return;
    }
    add(Grade::fail, "connection", error.sentence, remedy_of(error.failure, endpoint));
  }

  void tell_https_spoken() {
    add(Grade::fail, "connection", fmt::format("{} speaks https at this port", settings_.url),
        "write `url` with https://");
  }

  void tell_clock(const net::HttpResponse& answer) {
    const auto theirs = answer.date();
    if (!theirs) return;
    const auto ours = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto off = ours - *theirs;
    if (std::chrono::abs(off) < kClockWarn) return;
    add(std::chrono::abs(off) < kClockFail ? Grade::warn : Grade::fail, "clock",
        fmt::format("this machine's clock is {} s {} that of {}", std::chrono::abs(off).count(),
                    off.count() > 0 ? "ahead of" : "behind", settings_.url),
        "set the clock here (timedatectl set-ntp true): tokens, signed addresses and certificates depend on "
        "it");
  }

  void tell_answer(const net::HttpResponse& answer) {
    const std::string code = answer.status < 300 ? std::string() : error_code_of(answer.body);
    const std::string reason =
        reason_of(answer.status, code, excerpt_of(surface_, answer.body, credential_.secrets));
    if (is_web_page(answer))
      return add(Grade::fail, "answer",
                 fmt::format("{} answers with a web page (HTTP {}), not as an API does", settings_.url,
                             answer.status),
                 "correct host and path of `url`; or log in to the captive portal or proxy that answers in "
                 "its place");
    switch (rule(surface_, answer.status, code)) {
      case Ruling::done:
        return tell_done(answer);
      case Ruling::auth:
      case Ruling::forbidden:
        return add(Grade::fail, "credential",
                   fmt::format("{} is refused: {}", credential_name(settings_), reason),
                   "give it a valid one; check too that it is meant for this address");
      case Ruling::not_found:
        return tell_not_found(code, reason);
      case Ruling::retry:
      case Ruling::rate_limited:
      case Ruling::retry_few:
        return add(Grade::warn, "answer", fmt::format("{} is in trouble now: {}", settings_.url, reason),
                   "spans wait on disk and go when it is back; look at the destination itself");
      case Ruling::config:
        return add(Grade::fail, "answer",
                   fmt::format("{} does not take what we send: {}", settings_.url, reason),
                   config_remedy(answer.status));
      default:
        return add(settings_.kind == Kind::otlp ? Grade::warn : Grade::fail, "answer",
                   fmt::format("{} answers {}", settings_.url, reason),
                   settings_.kind == Kind::otlp
                       ? "send one span (`spanferry send FILE`) and look at `spanferry status`"
                       : "check that `url` leads to an MLflow server or a Databricks workspace");
    }
  }

  void tell_done(const net::HttpResponse& answer) {
    tell_credential();
    if (settings_.kind == Kind::otlp) return;
    if (settings_.kind == Kind::databricks && !names_experiment())
      return add(
          Grade::fail, "experiment", "none is configured, and a workspace has no default one",
          fmt::format("set MLFLOW_EXPERIMENT_NAME, or `experiment` of destination {}", settings_.name));
    const auto described = parse_experiment(answer.body);
    if (!described)
      return add(Grade::fail, "answer",
                 fmt::format("{} does not answer as an MLflow server does", settings_.url),
                 "check that `url` leads to an MLflow server or a Databricks workspace");
    if (described->deleted)
      return add(Grade::fail, "experiment", fmt::format("experiment {} is deleted", experiment_name()),
                 "restore it there, or name another one");
    add(Grade::ok, "experiment",
        names_experiment()
            ? fmt::format("experiment {} is there, id {}", experiment_name(), described->experiment.id)
            : std::string("the server's default experiment (id 0)"));
    table_ = described->experiment.unity_catalog_table;
  }

  // Where a linked experiment keeps its traces: a request without spans shows whether the table is there and
  // open to this credential (CONTRACT 2.3).
  asio::awaitable<void> tell_table() {
    net::HttpRequest request;
    request.url = join_url(settings_.url, "/api/2.0/otel/v1/traces");
    request.headers.emplace_back("Content-Type", "application/x-protobuf");
    request.headers.emplace_back("X-Databricks-UC-Table-Name", table_);
    const Answer answer = co_await ask(std::move(request));
    if (!answer) {
      add(Grade::warn, "table", fmt::format("Unity Catalog table {}: {}", table_, answer.error().sentence),
          "spans wait on disk and go when it answers; look at the workspace itself");
      co_return;
    }
    const std::string code = answer->status < 300 ? std::string() : error_code_of(answer->body);
    const std::string reason =
        reason_of(answer->status, code, excerpt_of(surface_, answer->body, credential_.secrets));
    switch (rule(surface_, answer->status, code)) {
      case Ruling::done:
        add(Grade::ok, "table", fmt::format("the experiment's Unity Catalog table {} takes spans", table_));
        break;
      case Ruling::auth:
      case Ruling::forbidden:
        add(Grade::fail, "table",
            fmt::format("{} may not write to the experiment's Unity Catalog table {}: {}",
                        credential_name(settings_), table_, reason),
            "grant its owner USE CATALOG, USE SCHEMA, SELECT and MODIFY there");
        break;
      case Ruling::not_found:
        add(Grade::fail, "table",
            fmt::format("the experiment's Unity Catalog table {} is not there: {}", table_, reason),
            "link the experiment to a table that exists, or name another experiment");
        break;
      default:
        add(Grade::warn, "table",
            fmt::format("the experiment's Unity Catalog table {} answers {}", table_, reason),
            "send one span (`spanferry send FILE`) and look at `spanferry status`");
    }
  }

  void tell_credential() {
    const bool has_one = !credential_.headers.empty();
    add(Grade::ok, "credential",
        has_one ? fmt::format("{} is taken", credential_name(settings_)) : std::string("none is wanted"));
  }

  void tell_not_found(const std::string& code, const std::string& reason) {
    if (code.empty())
      return add(Grade::fail, "answer",
                 fmt::format("{} does not answer as an MLflow server does: {}", settings_.url, reason),
                 "correct host and path of `url`");
    tell_credential();
    if (settings_.experiment_id.empty() && settings_.create_experiment)
      return add(Grade::ok, "experiment",
                 fmt::format("experiment {} is not there yet; the first span makes it", experiment_name()));
    add(Grade::fail, "experiment", fmt::format("experiment {} does not exist: {}", experiment_name(), reason),
        settings_.experiment_id.empty() ? "create it there, or allow it by `create_experiment: true`"
                                        : "name one that exists");
  }

  const DestinationSettings& settings_;
  const ProbeTuning tuning_;
  const Surface surface_;
  net::HttpClient client_;
  AccessToken access_token_;  // where the credential is a service principal's
  Credential credential_;
  std::string table_;  // in Unity Catalog, of an experiment that is linked to it
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> probe(const DestinationSettings& settings, ProbeTuning tuning) {
  asio::io_context io(1);
  Probe probe(io, settings, tuning);
  asio::co_spawn(io, probe.run(), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  io.run();
  return probe.take();
}

}  // namespace spanferry::uploader
