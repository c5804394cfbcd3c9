#include <algorithm>

#include "uploader/http_sender.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

ErrorKind kind_of(net::TransportFailure failure) {
  switch (failure) {
    case net::TransportFailure::timeout:
      return ErrorKind::timeout;
    case net::TransportFailure::too_large:
      return ErrorKind::too_large;
    case net::TransportFailure::cancelled:
      return ErrorKind::cancelled;
    case net::TransportFailure::tls_client:
    case net::TransportFailure::bad_url:
      return ErrorKind::configuration;
    default:
      return ErrorKind::unavailable;
  }
}

Error error_of(CredentialFailure failure) {
  using enum CredentialFailure::Kind;
  switch (failure.kind) {
    case refused:
      return {ErrorKind::unauthorized, std::move(failure.sentence)};
    case configuration:
      return {ErrorKind::configuration, std::move(failure.sentence)};
    case unreachable:
      return {ErrorKind::unavailable, std::move(failure.sentence)};
    case stopped:
      break;
  }
  return {ErrorKind::cancelled, std::move(failure.sentence)};
}

}  // namespace

asio::awaitable<Result<net::HttpResponse>> HttpSender::ask(Surface surface, net::HttpRequest request) {
  for (bool renewed = false;; renewed = true) {
    const auto credential = co_await credential_for(surface);
    if (!credential) co_return std::unexpected(error_of(credential.error()));
    net::HttpRequest once = request;
    prepare(once, surface, *credential);
    once.timeout = request.timeout;
    once.connect_timeout = std::min(once.connect_timeout, request.timeout);
    auto answer = co_await client_.perform(std::move(once));
    if (!answer) co_return fail(kind_of(answer.error().failure), answer.error().sentence);
    const bool refused = answer->status == 401 || answer->status == 403;
    if (!refused || renewed || credential->access_token.empty()) co_return *std::move(answer);
    access_token_->refused(credential->access_token);
  }
}

}  // namespace spanferry::uploader
