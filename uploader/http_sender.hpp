// The Sender over HTTP: one destination's client, credential, gate and health.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "uploader/access_token.hpp"
#include "uploader/credential.hpp"
#include "uploader/gate.hpp"
#include "uploader/pace.hpp"
#include "uploader/sender.hpp"
#include "uploader/verdict.hpp"
#include "uploader/waits.hpp"

namespace spanferry::uploader {

struct SenderTuning {
  net::BackoffSettings retry{std::chrono::milliseconds(250), std::chrono::milliseconds(30000)};
  // Between probes while paused: a changed file or a repaired credential is noticed within this.
  net::BackoffSettings pause{std::chrono::milliseconds(1000), std::chrono::milliseconds(30000)};
  std::chrono::milliseconds down_after{30000};            // of retrying without an answer
  std::chrono::milliseconds longest_retry_after{600000};  // what a far side may ask for
  int tries_of_500 = 3;
  // Of one that may be an outage (nothing was accepted meanwhile), where the request cannot be split.
  int tries_of_unproven_500 = 20;
};

class HttpSender final : public Sender {
 public:
  // Outlived by `settings`. `instance`: for X-Spanferry-Hop.
  HttpSender(boost::asio::io_context& io, const DestinationSettings& settings, std::string instance,
             SenderTuning tuning = {});

  boost::asio::awaitable<Verdict> send(Surface surface, std::function<net::HttpRequest()> make,
                                       Scope scope = Scope::destination,
                                       Tries tries = Tries::endless) override;
  boost::asio::awaitable<bool> open() override;
  boost::asio::awaitable<bool> pause_config(std::string reason,
                                            std::function<boost::asio::awaitable<bool>()> probe) override;
  Health& health() override { return health_; }
  [[nodiscard]] bool has_room() const override { return pace_.has_room(); }
  void listen(std::function<void()> when_room) override { pace_.listen(std::move(when_room)); }

  // One try of a request that only reads: past the gate and without a verdict, so that it neither waits for
  // what is delivered nor changes anything for it. Within request.timeout, but for the time it takes to have
  // a credential; a refused access token is renewed, once. Errors: those of a ReadHandler.
  boost::asio::awaitable<Result<net::HttpResponse>> ask(Surface surface, net::HttpRequest request);

  // Everybody who waits gets Action::stopped.
  void stop();

 private:
  struct Attempt;

  boost::asio::awaitable<bool> try_once(Attempt& attempt, net::HttpRequest request, bool again);
  boost::asio::awaitable<std::expected<Credential, CredentialFailure>> credential_for(Surface surface);
  void prepare(net::HttpRequest& request, Surface surface, const Credential& credential) const;
  void end_turn(const Pace::Turn& turn, const std::expected<net::HttpResponse, net::TransportError>& answer);
  void judge_answer(Attempt& attempt, net::HttpResponse response, const Credential& credential);
  boost::asio::awaitable<void> judge_doubt(Attempt& attempt, const Credential& credential);
  void judge_refusal(Attempt& attempt, const std::string& reason, const Credential& credential);
  void judge_no_credential(Attempt& attempt, CredentialFailure failure);
  void judge_failure(Attempt& attempt, const net::TransportError& error);
  // Retry-After, as far as we honour it.
  [[nodiscard]] std::optional<std::chrono::milliseconds> allowed_wait(
      const net::HttpResponse& response) const;
  [[nodiscard]] int tries_of_500(const Attempt& attempt) const;
  void works(Gate::Pass pass);
  void in_trouble(Attempt& attempt, DestinationState state, std::string reason,
                  std::optional<std::chrono::milliseconds> asked = std::nullopt);
  void paused(Attempt& attempt, DestinationState state, std::string reason);

  const DestinationSettings& settings_;
  const std::string instance_;
  const SenderTuning tuning_;
  Health health_;
  net::HttpClient client_;
  std::optional<AccessToken> access_token_;  // of a service principal
  Gate gate_;
  Pace pace_;
  std::string rate_reason_;  // of the last refusal for the rate
  net::Backoff pause_backoff_;
  Sleeps sleeps_;
  Event unpaused_;
  int pauses_ = 0;              // callers inside pause_config
  std::uint64_t accepted_ = 0;  // 2xx so far: evidence that the destination works
  std::optional<std::chrono::steady_clock::time_point> trouble_since_;
};

}  // namespace spanferry::uploader
