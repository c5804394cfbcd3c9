#include "uploader/access_token.hpp"

#include <algorithm>
#include <ctime>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include "uploader/endpoint.hpp"
#include "uploader/gate.hpp"
#include "uploader/remedies.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

// How long before its end a token is not sent any more: a request takes its time to arrive. Databricks' own
// clients leave 40 s, and ask for the next token 20 minutes or half a life before the end, whichever is less.
constexpr milliseconds kLongestReserve{40'000};
constexpr milliseconds kEarliestRenewal{20 * 60'000};
constexpr milliseconds kAskTimeout{30'000};

CredentialFailure stopped() { return {CredentialFailure::Kind::stopped, "stopped", std::nullopt}; }

bool is_definite(const net::HttpResponse& answer) { return answer.status < 500 && answer.status != 429; }

void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

}  // namespace

nanoseconds time_since_boot() {
  std::timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

AccessToken::AccessToken(asio::io_context& io, const DestinationSettings& settings, net::HttpClient& client,
                         Now now)
    : io_(io),
      settings_(settings),
      http_(client),
      now_(std::move(now)),
      ended_(io),
      backoff_({}, uniform_random) {}

std::expected<AccessToken::Client, CredentialFailure> AccessToken::client() const {
  auto id = value_of(settings_.client_id);
  auto secret = value_of(settings_.client_secret);
  for (const auto* part : {&id, &secret})
    if (!*part)
      return std::unexpected(
          CredentialFailure{CredentialFailure::Kind::refused, part->error().sentence, std::nullopt});
  return Client{*std::move(id), *std::move(secret)};
}

asio::awaitable<std::expected<std::string, CredentialFailure>> AccessToken::get() {
  while (!ended_.stopped()) {
    auto mine = client();
    if (!mine) co_return std::unexpected(std::move(mine.error()));
    const auto now = now_();
    if (held_ && held_->client == *mine && now < held_->use_until) {
      if (now >= held_->renew_from && now >= next_early_) start(*mine);
      co_return held_->token;
    }
    start(*mine);
    for (const std::uint64_t round = rounds_; rounds_ == round && co_await ended_.wait();) {
    }
    if (ended_.stopped()) break;
    if (failure_) co_return std::unexpected(*failure_);
    // Fresh from the server, however short its life. What another client waited for is not ours.
    if (held_ && held_->client == *mine) co_return held_->token;
  }
  co_return std::unexpected(stopped());
}

void AccessToken::refused(const std::string& token) {
  if (held_ && held_->token == token) held_.reset();
}

void AccessToken::start(Client client) {
  if (asking_) return;
  asking_ = true;
  asio::co_spawn(io_, renew(std::move(client)), rethrow);
}

asio::awaitable<void> AccessToken::renew(Client client) {
  Given given = co_await ask(std::move(client));
  asking_ = false;
  ++rounds_;
  if (given) {
    held_ = *std::move(given);
    failure_.reset();
    backoff_.succeeded();
    next_early_ = nanoseconds(0);
  } else {
    next_early_ = now_() + backoff_.next(given.error().wait);
    failure_ = std::move(given.error());
  }
  ended_.notify();
}

asio::awaitable<AccessToken::Given> AccessToken::ask(Client client) {
  const auto endpoint = co_await find_endpoint();
  if (!endpoint) co_return std::unexpected(endpoint.error());
  // Its life is counted from before it was given: what the way took is on the safe side.
  const auto asked = now_();
  const auto answer = co_await perform(token_request(*endpoint, client.id, client.secret));
  if (!answer) co_return std::unexpected(answer.error());
  auto given = judge_token_answer(*answer, *endpoint, credential_name(settings_), client.secret);
  if (!given) {
    if (given.error().kind == CredentialFailure::Kind::configuration) endpoint_.clear();
    co_return std::unexpected(std::move(given.error()));
  }
  const nanoseconds end = asked + given->lifetime;
  co_return Held{std::move(given->token), std::move(client),
                 end - std::min<milliseconds>(kEarliestRenewal, given->lifetime / 2),
                 end - std::min<milliseconds>(kLongestReserve, given->lifetime / 3)};
}

asio::awaitable<std::expected<std::string, CredentialFailure>> AccessToken::find_endpoint() {
  if (!endpoint_.empty()) co_return endpoint_;
  // An older workspace describes neither itself nor its server; what is not said is where it always was.
  std::string server = join_url(settings_.url, "/oidc");
  std::string endpoint = join_url(settings_.url, "/oidc/v1/token");
  const auto workspace = co_await perform(workspace_metadata_request(settings_.url));
  if (!workspace) co_return std::unexpected(workspace.error());
  if (workspace->status == 200) server = oidc_endpoint_of(workspace->body).value_or(server);
  const auto metadata = co_await perform(server_metadata_request(server));
  if (!metadata) co_return std::unexpected(metadata.error());
  if (metadata->status == 200) endpoint = token_endpoint_of(metadata->body).value_or(endpoint);
  if (!is_as_safe(endpoint, settings_.url))
    co_return std::unexpected(CredentialFailure{
        CredentialFailure::Kind::configuration,
        fmt::format("{} names {} as its token endpoint; a client secret is not sent over plain http", server,
                    endpoint),
        std::nullopt});
  // What a server in trouble did not say, it may say next time.
  if (is_definite(*workspace) && is_definite(*metadata)) endpoint_ = endpoint;
  co_return endpoint;
}

asio::awaitable<std::expected<net::HttpResponse, CredentialFailure>> AccessToken::perform(
    net::HttpRequest request) {
  request.timeout = std::min(kAskTimeout, settings_.timeout);
  auto answer = co_await http_.perform(std::move(request));
  if (answer) co_return *std::move(answer);
  if (answer.error().failure == net::TransportFailure::cancelled) co_return std::unexpected(stopped());
  co_return std::unexpected(CredentialFailure{is_configuration(answer.error().failure)
                                                  ? CredentialFailure::Kind::configuration
                                                  : CredentialFailure::Kind::unreachable,
                                              failure_sentence(answer.error()), std::nullopt});
}

}  // namespace spanferry::uploader
