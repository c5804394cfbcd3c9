// The access token of a service principal, kept fresh: one request for a new one serves everybody who waits,
// and goes out while the old one is still good, so that in use nobody waits at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "net/backoff.hpp"
#include "net/http_client.hpp"
#include "uploader/credential.hpp"
#include "uploader/oauth_messages.hpp"
#include "uploader/settings.hpp"
#include "uploader/waits.hpp"

namespace spanferry::uploader {

// Since the machine started, including the time it slept: a token ages then too, and a wall clock that is set
// or wrong changes nothing.
std::chrono::nanoseconds time_since_boot();

// Lives on the deliver thread.
class AccessToken {
 public:
  using Now = std::function<std::chrono::nanoseconds()>;

  // Outlived by `settings` and `client`.
  AccessToken(boost::asio::io_context& io, const DestinationSettings& settings, net::HttpClient& client,
              Now now = time_since_boot);

  // A token with some life left. The client's id and secret are read anew; a changed secret asks for a token
  // of its own.
  boost::asio::awaitable<std::expected<std::string, CredentialFailure>> get();
  // The far side did not take this token: it is not given out again.
  void refused(const std::string& token);
  void stop() { ended_.stop(); }

 private:
  struct Client {
    std::string id, secret;
    bool operator==(const Client&) const = default;
  };
  struct Held {
    std::string token;
    Client client;  // whose it is
    std::chrono::nanoseconds renew_from{0}, use_until{0};
  };
  using Given = std::expected<Held, CredentialFailure>;

  [[nodiscard]] std::expected<Client, CredentialFailure> client() const;
  void start(Client client);
  boost::asio::awaitable<void> renew(Client client);
  boost::asio::awaitable<Given> ask(Client client);
  boost::asio::awaitable<std::expected<std::string, CredentialFailure>> find_endpoint();
  boost::asio::awaitable<std::expected<net::HttpResponse, CredentialFailure>> perform(
      net::HttpRequest request);

  boost::asio::io_context& io_;
  const DestinationSettings& settings_;
  net::HttpClient& http_;
  const Now now_;
  std::string endpoint_;  // of tokens, once found
  std::optional<Held> held_;
  std::optional<CredentialFailure> failure_;  // of the last round
  bool asking_ = false;
  std::uint64_t rounds_ = 0;  // that ended
  Event ended_;               // of a round
  net::Backoff backoff_;      // of rounds that nobody waits for
  std::chrono::nanoseconds next_early_{0};
};

}  // namespace spanferry::uploader
