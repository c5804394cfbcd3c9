#include "uploader/http_sender.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "uploader/credential.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/odd_answer.hpp"
#include "uploader/remedies.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kSpareConnections = 4;  // beside the batches: look-ups
constexpr milliseconds kConnectTimeout{5000};
constexpr milliseconds kAfterRefusal{1000};  // for the rate, where the far side does not say how long

}  // namespace

// One request on its way to a verdict.
struct HttpSender::Attempt {
  Surface surface;
  Scope scope = Scope::destination;
  std::string method, url;  // of the try under way
  Gate::Pass pass;
  int tries_of_500 = 0;
  bool renewed = false;  // its access token was refused, and another one was had
  std::uint64_t accepted_before = 0;
  bool final = false;
  bool in_doubt = false;             // a 403 that may be about the experiment or about the credential
  std::optional<milliseconds> wait;  // of this request alone, before its next try
  Verdict verdict;
};

HttpSender::HttpSender(asio::io_context& io, const DestinationSettings& settings, std::string instance,
                       SenderTuning tuning)
    : settings_(settings),
      instance_(std::move(instance)),
      tuning_(tuning),
      health_(settings.name),
      client_(io, net::TlsSettings{settings.ca_file, settings.client_certificate, settings.client_key},
              "spanferry/" SPANFERRY_VERSION, settings.concurrency + kSpareConnections),
      gate_(io, tuning.retry),
      pace_(io, settings.concurrency, tuning.retry),
      pause_backoff_(tuning.pause, uniform_random),
      sleeps_(io),
      unpaused_(io) {
  health_.concurrency = static_cast<std::uint32_t>(pace_.limit());
  if (!settings.client_id.empty()) access_token_.emplace(io, settings, client_);
}

void HttpSender::stop() {
  gate_.stop();
  pace_.stop();
  sleeps_.stop();
  unpaused_.stop();
  if (access_token_) access_token_->stop();
  client_.shutdown();
}

asio::awaitable<bool> HttpSender::open() {
  while (pauses_ > 0)
    if (!co_await unpaused_.wait()) co_return false;
  co_return co_await gate_.until_open();
}

asio::awaitable<std::expected<Credential, CredentialFailure>> HttpSender::credential_for(Surface surface) {
  using enum CredentialFailure::Kind;
  if (surface == Surface::storage) co_return Credential{};
  auto credential = credential_of(settings_);
  if (!credential)
    co_return std::unexpected(CredentialFailure{refused, credential.error().sentence, std::nullopt});
  if (access_token_) {
    auto token = co_await access_token_->get();
    if (!token) co_return std::unexpected(std::move(token.error()));
    credential->access_token = *token;
    add_bearer(*credential, *std::move(token));
  }
  co_return *std::move(credential);
}

void HttpSender::prepare(net::HttpRequest& request, Surface surface, const Credential& credential) const {
  request.timeout = settings_.timeout;
  request.connect_timeout = std::min(kConnectTimeout, settings_.timeout);
  if (surface == Surface::storage) return;
  request.headers.insert(request.headers.end(), credential.headers.begin(), credential.headers.end());
  request.headers.emplace_back("X-Spanferry-Hop", instance_);
}

asio::awaitable<Verdict> HttpSender::send(Surface surface, std::function<net::HttpRequest()> make,
                                          Scope scope, Tries tries) {
  Attempt attempt{.surface = surface,
                  .scope = scope,
                  .method = {},
                  .url = {},
                  .pass = {},
                  .accepted_before = accepted_,
                  .wait = {},
                  .verdict = {}};
  net::Backoff alone(tuning_.retry, uniform_random);
  for (bool again = false;; again = true) {
    if (tries == Tries::one && (again || !gate_.open())) {
      attempt.verdict.action = Action::again;
      co_return std::move(attempt.verdict);
    }
    if (!co_await try_once(attempt, make(), again)) co_return Verdict{};
    if (attempt.final) co_return std::move(attempt.verdict);
    if (attempt.wait && !co_await sleeps_.sleep(alone.next(attempt.wait))) co_return Verdict{};
    attempt.wait.reset();
  }
}

// False: stopped before it went.
asio::awaitable<bool> HttpSender::try_once(Attempt& attempt, net::HttpRequest request, bool again) {
  const auto turn = co_await pace_.turn(calls_of(attempt.surface, request));
  if (!turn) co_return false;
  const auto pass = co_await gate_.enter();
  if (!pass) co_return false;
  attempt.pass = *pass;
  const auto credential = co_await credential_for(attempt.surface);
  if (!credential) {
    pace_.ended(*turn, Pace::End::not_known);
    judge_no_credential(attempt, credential.error());
    co_return true;
  }
  ++health_.requests;
  if (again) ++health_.retries;
  prepare(request, attempt.surface, *credential);
  attempt.method = request.method;
  attempt.url = request.url;
  attempt.verdict.sent = steady_clock::now();
  auto answer = co_await client_.perform(std::move(request));
  end_turn(*turn, answer);
  if (answer)
    judge_answer(attempt, *std::move(answer), *credential);
  else
    judge_failure(attempt, answer.error());
  if (attempt.in_doubt) co_await judge_doubt(attempt, *credential);
  co_return true;
}

void HttpSender::end_turn(const Pace::Turn& turn,
                          const std::expected<net::HttpResponse, net::TransportError>& answer) {
  using enum Pace::End;
  if (!answer) {
    pace_.ended(turn, answer.error().failure == net::TransportFailure::timeout ? too_many : not_known);
  } else if (answer->status == 429) {
    ++health_.rate_refusals;
    pace_.ended(turn, too_fast, allowed_wait(*answer).value_or(kAfterRefusal));
  } else {
    const bool overloaded = answer->status == 408 || answer->status == 503 || answer->status == 504;
    pace_.ended(turn, overloaded ? too_many : taken);
  }
  health_.concurrency = static_cast<std::uint32_t>(pace_.limit());
  for (std::size_t i = 0; i < kCalls; ++i) health_.rates[i] = pace_.rate(static_cast<Calls>(i));
}

void HttpSender::judge_answer(Attempt& attempt, net::HttpResponse response, const Credential& credential) {
  const int status = response.status;
  const std::string code = status < 300 ? std::string() : error_code_of(response.body);
  const std::string excerpt =
      status < 300 ? std::string() : excerpt_of(attempt.surface, response.body, credential.secrets);
  const std::string reason = reason_of(status, excerpt_of(Surface::otlp, code, credential.secrets), excerpt);
  const Ruling ruling = rule(attempt.surface, status, code);
  const std::optional<milliseconds> asked = allowed_wait(response);
  switch (ruling) {
    case Ruling::retry:
      in_trouble(attempt, DestinationState::retrying, reason, asked);
      return;
    case Ruling::rate_limited:
      if (attempt.surface == Surface::storage) {
        in_trouble(attempt, DestinationState::rate_limited, reason, asked.value_or(kAfterRefusal));
        return;
      }
      // It answers, after all: the others go on.
      rate_reason_ = reason;
      health_.note_error(reason);
      works(attempt.pass);
      return;
    case Ruling::auth:
      judge_refusal(attempt, reason, credential);
      return;
    case Ruling::forbidden:
      if (attempt.scope == Scope::experiment) {
        attempt.in_doubt = true;
        attempt.verdict.status = status;
        attempt.verdict.reason = reason;
        attempt.verdict.excerpt = excerpt;
        return;
      }
      judge_refusal(attempt, reason, credential);
      return;
    case Ruling::config:
      paused(attempt, DestinationState::paused_config,
             config_sentence(settings_.url, status, attempt.surface, excerpt));
      return;
    case Ruling::retry_few:
      attempt.verdict.status = status;
      health_.note_error(reason);
      gate_.succeeded(attempt.pass);  // it answers, after all
      attempt.verdict.unproven = accepted_ == attempt.accepted_before;
      if (++attempt.tries_of_500 < tries_of_500(attempt)) {
        attempt.wait = asked.value_or(milliseconds(0));
        return;
      }
      break;
    case Ruling::done:
      if (const auto odd = why_odd(attempt.surface, attempt.method, attempt.url, response)) {
        in_trouble(attempt, DestinationState::retrying, fmt::format("{}: {}", settings_.url, *odd));
        return;
      }
      ++accepted_;
      works(attempt.pass);
      break;
    case Ruling::split:
    case Ruling::halve:
      health_.note_error(reason);
      works(attempt.pass);
      break;
    default:
      // Whether "not there" or "exists already" is an error is for the caller to say.
      works(attempt.pass);
      break;
  }
  attempt.final = true;
  attempt.verdict.action = action_of(ruling);
  attempt.verdict.status = status;
  attempt.verdict.reason = reason;
  attempt.verdict.excerpt = excerpt;
  attempt.verdict.response = std::move(response);
}

// A call that every credential may make tells which of the two it is: the list of experiments, which leaves
// out what the credential may not see.
asio::awaitable<void> HttpSender::judge_doubt(Attempt& attempt, const Credential& credential) {
  attempt.in_doubt = false;
  net::HttpRequest request;
  request.url = join_url(settings_.url, "/api/2.0/mlflow/experiments/search");
  request.headers.emplace_back("Content-Type", "application/json");
  request.body.push_back(std::make_shared<const std::string>(R"({"max_results":1})"));
  prepare(request, attempt.surface, credential);
  ++health_.requests;
  const auto answer = co_await client_.perform(std::move(request));
  if (!answer) {
    judge_failure(attempt, answer.error());
  } else if (answer->status >= 200 && answer->status < 300 &&
             !why_odd(attempt.surface, "POST", "", *answer)) {
    works(attempt.pass);
    health_.note_error(attempt.verdict.reason);
    attempt.final = true;
    attempt.verdict.action = Action::forbidden;
  } else if (answer->status == 401 || answer->status == 403) {
    judge_refusal(attempt, attempt.verdict.reason, credential);
  } else {
    in_trouble(attempt, DestinationState::retrying,
               fmt::format("{}; whether the credential is good could not be learnt (HTTP {})",
                           attempt.verdict.reason, answer->status),
               allowed_wait(*answer));
  }
}

void HttpSender::judge_refusal(Attempt& attempt, const std::string& reason, const Credential& credential) {
  std::string who = credential_name(settings_);
  if (!credential.access_token.empty()) {
    access_token_->refused(credential.access_token);
    if (!attempt.renewed) {
      attempt.renewed = true;
      gate_.left(attempt.pass);
      return;
    }
    attempt.renewed = false;
    who = "the access token of " + who;
  }
  paused(attempt, DestinationState::paused_auth,
         fmt::format("{} is refused by {}: {}", who, settings_.url, reason));
}

void HttpSender::judge_no_credential(Attempt& attempt, CredentialFailure failure) {
  switch (failure.kind) {
    case CredentialFailure::Kind::refused:
      paused(attempt, DestinationState::paused_auth, std::move(failure.sentence));
      return;
    case CredentialFailure::Kind::configuration:
      paused(attempt, DestinationState::paused_config, std::move(failure.sentence));
      return;
    case CredentialFailure::Kind::unreachable:
      in_trouble(attempt, DestinationState::retrying, std::move(failure.sentence), failure.wait);
      return;
    case CredentialFailure::Kind::stopped:
      gate_.left(attempt.pass);
      attempt.final = true;
      return;
  }
}

std::optional<milliseconds> HttpSender::allowed_wait(const net::HttpResponse& response) const {
  std::optional<milliseconds> asked = response.retry_after();
  if (asked) asked = std::min(*asked, tuning_.longest_retry_after);
  return asked;
}

int HttpSender::tries_of_500(const Attempt& attempt) const {
  // A batch is split by those who sent it, and its parts will prove something.
  const bool is_batch = attempt.surface == Surface::otlp || attempt.surface == Surface::mlflow_otlp;
  return is_batch || !attempt.verdict.unproven ? tuning_.tries_of_500 : tuning_.tries_of_unproven_500;
}

void HttpSender::judge_failure(Attempt& attempt, const net::TransportError& error) {
  if (error.failure == net::TransportFailure::cancelled) {
    gate_.left(attempt.pass);
    attempt.final = true;
    return;
  }
  const std::string sentence = failure_sentence(error);
  if (error.failure == net::TransportFailure::too_large) {
    // The request was taken; what came back is not worth a second try.
    health_.note_error(sentence);
    works(attempt.pass);
    attempt.final = true;
    attempt.verdict.action = Action::split;
    attempt.verdict.reason = sentence;
    return;
  }
  if (is_configuration(error.failure))
    paused(attempt, DestinationState::paused_config, sentence);
  else
    in_trouble(attempt, DestinationState::retrying, sentence);
}

void HttpSender::works(Gate::Pass pass) {
  if (!gate_.succeeded(pass)) return;
  trouble_since_.reset();
  pause_backoff_.succeeded();
  if (pauses_ > 0) return;
  if (!pace_.is_held()) {
    health_.works();
  } else if (health_.state() != DestinationState::rate_limited) {
    health_.enter(DestinationState::rate_limited, rate_reason_);
  }
}

void HttpSender::in_trouble(Attempt& attempt, DestinationState state, std::string reason,
                            std::optional<milliseconds> asked) {
  if (!gate_.failed(attempt.pass, asked)) return;
  const auto now = steady_clock::now();
  if (!trouble_since_) trouble_since_ = now;
  if (state == DestinationState::retrying && now - *trouble_since_ >= tuning_.down_after)
    state = DestinationState::down;
  if (pauses_ == 0) health_.enter(state, std::move(reason));
}

void HttpSender::paused(Attempt& attempt, DestinationState state, std::string reason) {
  if (!gate_.failed_for(attempt.pass, pause_backoff_.next())) return;
  if (pauses_ == 0) health_.enter(state, std::move(reason));
}

asio::awaitable<bool> HttpSender::pause_config(std::string reason,
                                               std::function<asio::awaitable<bool>()> probe) {
  ++pauses_;
  health_.enter(DestinationState::paused_config, std::move(reason));
  net::Backoff backoff(tuning_.pause, uniform_random);
  bool solved = false;
  while (!solved && co_await sleeps_.sleep(backoff.next())) solved = co_await probe();
  if (--pauses_ == 0) {
    if (solved) health_.works();
    unpaused_.notify();
  }
  co_return solved && !sleeps_.stopped();
}

}  // namespace spanferry::uploader
