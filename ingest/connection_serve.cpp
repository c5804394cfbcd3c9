// Connection: what is done with a request that the gate let in.
#include <algorithm>
#include <array>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "ingest/connection.hpp"
#include "ingest/decode.hpp"
#include "ingest/limits.hpp"
#include "model/clock.hpp"
#include "model/lower.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 3> kPrivate{{
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
}};

// What an OTLP request has come to: entries to append and what its sender is told.
struct Prepared {
  std::vector<spool::Entry> entries;
  std::uint64_t spans = 0;
  std::uint64_t refused_spans = 0;
  std::string refused_reason;
};

Prepared prepare(Decoded decoded, const Origin& origin, const std::vector<RouteRule>& rules) {
  Prepared prepared;
  prepared.entries = entries_of(decoded, origin, rules);
  prepared.spans = decoded.scan.spans;
  prepared.refused_spans = decoded.scan.refused_spans;
  prepared.refused_reason = std::move(decoded.scan.refused_reason);
  return prepared;
}

Whence whence(const Head& head) { return head.peer_is_loopback ? Whence::here : Whence::elsewhere; }

Answer decoding_failure(const Head& head, const Error& error) {
  switch (error.kind) {
    case ErrorKind::too_large:
      return refusal(head, 413, Rejection::too_large, error.sentence);
    case ErrorKind::unavailable:
      return try_later(head, Rejection::overloaded, error.sentence);
    case ErrorKind::invalid_input:
    case ErrorKind::unsupported:
      return refusal(head, 400, Rejection::malformed, error.sentence);
    default:
      return refusal(head, 500, Rejection::internal, error.sentence);
  }
}

// Calls the endpoint's reply exactly once, also when the endpoint forgets to or throws.
class ReplyOnce {
 public:
  explicit ReplyOnce(std::move_only_function<void(Response)> reply) : reply_(std::move(reply)) {}
  ReplyOnce(ReplyOnce&& other) noexcept : reply_(std::exchange(other.reply_, nullptr)) {}
  ReplyOnce& operator=(ReplyOnce&&) = delete;
  ~ReplyOnce() {
    if (reply_)
      (*this)({500,
               "application/json",
               R"({"error_code":"INTERNAL_ERROR","message":"no answer was given"})",
               {}});
  }
  void operator()(Response response) {
    if (auto reply = std::exchange(reply_, nullptr)) reply(std::move(response));
  }

 private:
  std::move_only_function<void(Response)> reply_;
};

// A request's own copies, for an endpoint may answer later and from another thread.
struct Call {
  std::string method, path, query, body, user_agent, host, content_type;
  Request request;  // views of them
};

}  // namespace

Task<Answer> Connection::serve_traces(const Head& head) {
  const Settings& settings = context_.settings;
  const OtlpEncoding encoding = encoding_of(head);
  if (encoding == OtlpEncoding::json && !is_media_type(head.content_type, "application/json")) {
    co_return refusal(head, 415, Rejection::unsupported_media,
                      "Content-Type must be application/x-protobuf or application/json");
  }
  const auto coding = coding_of(head.content_encoding);
  if (!coding) {
    co_return refusal(head, 415, Rejection::unsupported_media,
                      "Content-Encoding must be gzip, deflate, zstd or none");
  }
  auto route = route_of(head.route);
  if (!route) co_return refusal(head, 400, Rejection::malformed, route.error().sentence);
  if (!context_.spool.accepting()) {
    co_return not_kept(head, Rejection::full,
                       "the spool is full and takes no more until some of it is delivered");
  }
  const std::uint64_t size = head.content_length.value_or(0);
  if (size > settings.max_body_bytes) {
    co_return refusal(
        head, 413, Rejection::too_large,
        fmt::format("the body is larger than listen.max_body_bytes ({} bytes)", settings.max_body_bytes));
  }
  const bool compressed = *coding != Coding::identity;
  const std::uint64_t factor = encoding == OtlpEncoding::json && !compressed ? kJsonMemoryFactor : 1;
  const std::uint64_t most = context_.inflight.limit(whence(head));
  if (size * factor > most) {
    co_return refusal(
        head, 413, Rejection::too_large,
        "the body needs more memory than listen.max_inflight_bytes; send smaller batches, or protobuf");
  }
  const std::uint64_t room = most - size * factor;
  const std::uint64_t credit =
      compressed ? std::min({size * kInflateGuess, settings.max_body_bytes, room}) : 0;
  const std::uint64_t first = std::min<std::uint64_t>(size, kFirstBodyBytes);
  Reservation reservation = co_await context_.inflight.take(whence(head), first * factor + credit);
  if (!reservation.holds()) {
    co_return try_later(head, Rejection::overloaded, "too many bytes in flight (listen.max_inflight_bytes)");
  }
  std::string body;
  const Read how = co_await read_body(head, settings.max_body_bytes, factor, reservation, body);
  if (how != Read::ok) co_return body_failure(head, how);
  co_return co_await keep_traces(head, std::move(body), *coding, reservation, credit, std::move(*route));
}

Task<Answer> Connection::keep_traces(const Head& head, std::string body, Coding coding,
                                     Reservation& reservation, std::uint64_t credit, Route route) {
  const Settings& settings = context_.settings;
  const OtlpEncoding encoding = encoding_of(head);
  const Origin origin{Source::http, unix_now_ns(), head.user_agent.substr(0, kMaxClientBytes),
                      std::move(route)};
  const auto finish = [&](Result<Decoded> decoded) -> Result<Prepared> {
    if (!decoded) return std::unexpected(std::move(decoded.error()));
    return prepare(std::move(*decoded), origin, *context_.routes.rules());
  };

  std::optional<Result<Prepared>> prepared;
  const bool plain = coding == Coding::identity && encoding == OtlpEncoding::protobuf;
  if (plain && body.size() <= kInlineBodyBytes) {
    prepared = finish(scan_and_keep(std::move(body), false));
  } else {
    if (encoding == OtlpEncoding::protobuf && !plain && body.size() <= kInlineInflateBytes) {
      // Small both ways: done here. What grows large is begun anew on the worker.
      auto inflated = body.empty() ? Result<std::string>() : inflate(body, coding, {kInlineBodyBytes, {}});
      if (inflated) {
        prepared = finish(scan_and_keep(std::move(*inflated), false));
      } else if (inflated.error().kind != ErrorKind::too_large) {
        prepared = std::unexpected(std::move(inflated.error()));
      }
    }
    if (!prepared) {
      const std::uint64_t max_json_bytes = context_.inflight.limit(reservation.whence()) / kJsonMemoryFactor;
      InflateBounds bounds{settings.max_body_bytes, [&](std::uint64_t bytes) {
                             const std::uint64_t from_credit = std::min(credit, bytes);
                             if (bytes > from_credit && !reservation.grow(bytes - from_credit)) return false;
                             credit -= from_credit;
                             return true;
                           }};
      if (encoding == OtlpEncoding::json) bounds.max_bytes = std::min(bounds.max_bytes, max_json_bytes);
      prepared = co_await wait_for<Result<Prepared>>(context_.mailbox, [&](auto done) {
        boost::asio::post(context_.worker, [&, done = std::move(done)]() mutable {
          done(finish(decode_traces(std::move(body), coding, encoding, bounds, max_json_bytes)));
        });
      });
    }
  }
  if (!*prepared) co_return decoding_failure(head, prepared->error());

  Prepared& request = **prepared;
  if (request.refused_spans > 0) context_.counters.reject(Rejection::refused_spans, request.refused_spans);
  if (!request.entries.empty()) {
    const auto appended = co_await wait_for<Result<spool::Appended>>(context_.mailbox, [&](auto done) {
      context_.spool.append(std::move(request.entries), std::move(done));
    });
    if (!appended) {
      const ErrorKind kind = appended.error().kind;
      co_return not_kept(head,
                         kind == ErrorKind::full   ? Rejection::full
                         : kind == ErrorKind::held ? Rejection::route_held
                                                   : Rejection::internal,
                         appended.error().sentence);
    }
    context_.patience.renew();
  }
  context_.counters.accept_http(request.spans);
  co_return accepted(head, request.refused_spans, request.refused_reason);
}

Answer Connection::not_kept(const Head& head, Rejection reason, std::string_view sentence) const {
  if (context_.patience.is_over(unix_now_ms()) && repeats_in_the_app(head.user_agent))
    return refusal(head, 400, reason, sentence);
  return try_later(head, reason, sentence);
}

Task<Answer> Connection::serve_endpoint(const Head& head, const Endpoint& endpoint, std::string path) {
  const std::uint64_t max_bytes = std::min(context_.settings.max_body_bytes, endpoint.max_body_bytes);
  const std::uint64_t size = head.content_length.value_or(0);
  if (size > max_bytes) {
    co_return refusal(head, 413, Rejection::too_large,
                      fmt::format("the body is larger than {} bytes", max_bytes));
  }
  auto call = std::make_shared<Call>();
  Reservation reservation;
  if (size > 0 || head.chunked) {
    reservation =
        co_await context_.inflight.take(whence(head), std::min<std::uint64_t>(size, kFirstBodyBytes));
    if (!reservation.holds()) {
      co_return try_later(head, Rejection::overloaded,
                          "too many bytes in flight (listen.max_inflight_bytes)");
    }
    const Read how = co_await read_body(head, max_bytes, 1, reservation, call->body);
    if (how != Read::ok) co_return body_failure(head, how);
  }
  call->method = head.method;
  call->path = std::move(path);
  call->query = head.query;
  call->user_agent = head.user_agent;
  call->host = head.host.value_or("");
  call->content_type = lower(head.content_type.substr(0, head.content_type.find(';')));
  call->request = {call->method,          call->path,       call->query, call->body,
                   head.peer_is_loopback, call->user_agent, call->host,  call->content_type};
  Response response = co_await wait_for<Response>(context_.mailbox, [&](auto done) {
    boost::asio::post(context_.worker, [&endpoint, call, reply = ReplyOnce(std::move(done))]() mutable {
      try {
        endpoint.handle(call->request,
                        [call, reply = std::move(reply)](Response r) mutable { reply(std::move(r)); });
      } catch (const std::exception&) {
        // The reply has gone with the exception, and answered.
      }
    });
  });
  if (response.accepted_spans) {
    context_.counters.touch();
    context_.counters.accept_http(*response.accepted_spans);
  }
  Answer answer;
  answer.status = response.status;
  answer.reason = response.rejection;
  answer.body = std::move(response.body);
  answer.headers = std::move(response.headers);
  if (!response.content_type.empty())
    answer.headers.emplace_back("Content-Type", std::move(response.content_type));
  // Prompts and answers are for who asked: no cache, no guess at the type, no page of another origin.
  for (const auto& [name, value] : kPrivate) answer.headers.emplace_back(name, value);
  co_return answer;
}

}  // namespace spanferry::ingest
