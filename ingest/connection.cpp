#include "ingest/connection.hpp"

#include <algorithm>
#include <cstring>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <spdlog/spdlog.h>

#include "ingest/head_reader.hpp"
#include "ingest/limits.hpp"

namespace spanferry::ingest {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0";

std::string_view contents(const boost::beast::flat_buffer& buffer) {
  return {static_cast<const char*>(buffer.data().data()), buffer.size()};
}

// A line of a header that begins with white space: Beast makes it a part of the line before, others a header
// of its own. Long out of use (RFC 9112, 5.2), but for hiding something.
bool has_folded_line(std::string_view header) {
  for (std::size_t at = header.find('\n'); at != std::string_view::npos; at = header.find('\n', at + 1))
    if (at + 1 < header.size() && (header[at + 1] == ' ' || header[at + 1] == '\t')) return true;
  return false;
}

}  // namespace

Connection::Connection(HttpContext& context, Socket socket, bool peer_is_loopback)
    : context_(context),
      socket_(std::move(socket)),
      buffer_(context.settings.max_header_bytes + 2 * kChunkReadBytes),
      peer_is_loopback_(peer_is_loopback) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(Tcp::no_delay(true), ignored);
}

void Connection::arm(std::chrono::milliseconds timeout) {
  expired_ = false;
  deadline_ = Clock::now() + timeout;
}

void Connection::enforce_deadline(Clock::time_point now) {
  if (now < deadline_) return;
  expired_ = true;
  disarm();
  error_code ignored;
  socket_.cancel(ignored);
}

bool Connection::close_when_idle() {
  if (!myself_.empty()) return false;
  error_code ignored;
  // What has come in the meantime is a request, and is answered: the wait is about to end.
  if (socket_.available(ignored) > 0) return false;
  leave_idle();
  closing_ = true;
  socket_.cancel(ignored);
  return true;
}

void Connection::leave_idle() {
  if (myself_.empty()) myself_.splice(myself_.begin(), context_.idle, place_);
}

void Connection::abort() {
  closing_ = true;
  error_code ignored;
  socket_.close(ignored);
}

Task<void> Connection::run() {
  while (co_await serve_one()) {
  }
}

// False: the connection is over.
Task<bool> Connection::serve_one() {
  parser_.emplace();
  parser_->header_limit(context_.settings.max_header_bytes);
  parser_->body_limit(boost::none);  // ours, for which the answer is not the parser's
  body_is_read_ = false;
  if (const Read how = co_await read_head(); how != Read::ok) co_return co_await answer_unreadable_head(how);
  has_served_ = true;
  const Head head = head_of(*parser_, peer_is_loopback_);
  const bool for_traces = is_traces_path(head.path);
  if (for_traces) context_.counters.touch();  // a probe is no reason to keep the doors open
  std::string path = for_traces ? std::string() : percent_decode(head.path);
  const auto match = for_traces ? EndpointTable::Match{} : context_.endpoints.find(head.method, path);
  auto refused = check(head, match, path);
  if (refused) co_return co_await send(head, std::move(*refused));
  if (for_traces) co_return co_await send(head, co_await serve_traces(head));
  co_return co_await send(head, co_await serve_endpoint(head, *match.endpoint, std::move(path)));
}

std::optional<Answer> Connection::check(const Head& head, const EndpointTable::Match& match,
                                        std::string_view path) const {
  const bool for_traces = is_traces_path(head.path);
  if (!head.unsound.empty()) {
    Answer answer = refusal(head, 400, Rejection::malformed, head.unsound);
    answer.close = true;  // where the next request begins is anybody's guess
    return answer;
  }
  if (auto answer = context_.gate.check_site(head)) return answer;
  const Door door = for_traces                             ? Door::spans
                    : match.audience == Audience::everyone ? Door::health
                                                           : Door::rest;
  if (auto answer = context_.gate.check_caller(head, door)) return answer;
  if (auto answer = context_.gate.check_loop(head)) return answer;
  if (!for_traces && !match.path_is_known) {
    return refusal(head, 404, Rejection::not_found, "nothing is served at this path");
  }
  if (for_traces ? head.method != "POST" : match.endpoint == nullptr) {
    Answer answer = refusal(head, 405, Rejection::method, "this path does not take that method");
    answer.headers.emplace_back("Allow", for_traces ? "POST" : match.allow);
    return answer;
  }
  if (match.endpoint != nullptr && match.endpoint->admits && !match.endpoint->admits(path, head.query))
    return refusal(head, 403, Rejection::forbidden, "this address was not given out here, or is too old");
  if (head.method == "POST" && !head.content_length && !head.chunked) {
    return refusal(head, 411, Rejection::length_required, "a POST needs Content-Length or a chunked body");
  }
  return std::nullopt;
}

Task<bool> Connection::read_more(std::size_t bytes) {
  const auto [error, got] = co_await socket_.async_read_some(buffer_.prepare(bytes), kAwait);
  buffer_.commit(got);
  co_return !error && got > 0;
}

// False: none will come.
Task<bool> Connection::wait_for_request() {
  // Nothing is kept for a connection that only waits.
  buffer_.clear();
  buffer_.shrink_to_fit();
  if (context_.stopping && has_served_) co_return false;
  context_.idle.splice(context_.idle.end(), myself_);
  arm(context_.stopping ? std::min(kLinger, context_.settings.idle_timeout) : context_.settings.idle_timeout);
  const auto [error] = co_await socket_.async_wait(Socket::wait_read, kAwait);
  leave_idle();
  co_return !error && !closing_;
}

Task<Connection::Read> Connection::read_head() {
  if (buffer_.size() == 0 && !co_await wait_for_request()) co_return Read::closed;
  arm(context_.settings.header_timeout);
  for (bool first = buffer_.size() == 0;; first = false) {
    if (buffer_.size() > 0) {
      error_code error;
      const std::size_t taken = parser_->put(buffer_.data(), error);
      if (has_folded_line(contents(buffer_).substr(0, taken))) co_return Read::malformed;
      buffer_.consume(taken);
      if (parser_->is_header_done()) co_return Read::ok;
      if (error == http::error::header_limit) co_return Read::too_large;
      if (error && error != http::error::need_more) {
        co_return contents(buffer_).starts_with(kHttp2Preface) ? Read::http2 : Read::malformed;
      }
      if (buffer_.size() > context_.settings.max_header_bytes) co_return Read::too_large;
    }
    if (!co_await read_more(kReadBytes)) {
      if (expired_) co_return Read::timeout;
      if (!first) context_.counters.reject(Rejection::disconnected);
      co_return Read::closed;
    }
  }
}

Task<bool> Connection::answer_unreadable_head(Read how) {
  Head head;
  head.keep_alive = false;
  const auto& settings = context_.settings;
  switch (how) {
    case Read::timeout:
      co_return co_await send(head,
                              refusal(head, 408, Rejection::timeout, "the header took too long to come"));
    case Read::too_large:
      co_return co_await send(
          head, refusal(head, 431, Rejection::header_too_large,
                        "the header is larger than " + std::to_string(settings.max_header_bytes) + " bytes"));
    case Read::http2:
      context_.counters.reject(Rejection::http2_preface);
      if (const auto left_out = context_.preface_log.allow()) {
        spdlog::warn(
            "a client speaks HTTP/2 (OTLP/gRPC), which is not served here: set "
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf in the application ({} more since the last line)",
            *left_out);
      }
      co_return false;
    case Read::malformed:
      co_return co_await send(
          head, refusal(head, 400, Rejection::malformed, "this is not a sound HTTP/1.1 request"));
    default:
      co_return false;
  }
}

Task<bool> Connection::discard(std::uint64_t bytes) {
  arm(context_.settings.body_timeout);
  for (;;) {
    const auto here = std::min<std::uint64_t>(bytes, buffer_.size());
    buffer_.consume(here);
    bytes -= here;
    if (bytes == 0) co_return true;
    if (!co_await read_more(std::min<std::uint64_t>(bytes, kChunkReadBytes))) co_return false;
  }
}

Task<bool> Connection::send(const Head& head, Answer answer) {
  if (answer.reason) context_.counters.reject(*answer.reason);
  const std::uint64_t unread = body_is_read_ ? 0 : head.content_length.value_or(0);
  const bool must_cut =
      !body_is_read_ && (head.chunked || unread > kDiscardBytes || (unread > 0 && head.expects_continue));
  const bool close = answer.close || !head.keep_alive || must_cut || closing_ || context_.stopping ||
                     context_.counters.draining.load(std::memory_order_relaxed);
  if (!co_await write(serialize(answer, head.method == "HEAD", close, head.is_http_1_0))) co_return false;
  if (close) {
    co_await linger();
    co_return false;
  }
  co_return unread == 0 || co_await discard(unread);
}

Task<bool> Connection::write(std::string_view bytes) {
  error_code error;
  // An answer nearly always fits into the socket's buffer: then nothing is waited for.
  const std::size_t written = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
  if (error && error != asio::error::would_block) co_return false;
  if (written == bytes.size()) co_return true;
  arm(context_.settings.write_timeout);
  const auto rest = asio::buffer(bytes.data() + written, bytes.size() - written);
  const auto [failed, count] = co_await asio::async_write(socket_, rest, kAwait);
  disarm();
  if (expired_) context_.counters.reject(Rejection::timeout);
  co_return !failed && count == rest.size();
}

// A close with input unread resets the connection, and a reset can overtake the answer: say that we are done
// and read on for a moment.
Task<void> Connection::linger() {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  arm(kLinger);
  std::size_t left = kLingerBytes;
  buffer_.clear();
  while (left > 0 && !expired_ && !closing_) {
    const auto [error, got] = co_await socket_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
    if (error || got == 0) break;
    left -= std::min(left, got);
  }
  disarm();
}

}  // namespace spanferry::ingest
