// Connection: reading bodies.
#include <algorithm>
#include <cstring>

#include <boost/asio/read.hpp>

#include "ingest/connection.hpp"
#include "ingest/limits.hpp"

namespace spanferry::ingest {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

inline constexpr std::size_t kReadAtOnceBytes = 1U << 20;
inline constexpr std::size_t kFirstChunkedBytes = 16U << 10;
// A chunked body that grows beyond this gets the address space for a large one: pages are not touched before
// bytes have come for them, and nothing is copied any more.
inline constexpr std::size_t kChunkedCopiedBytes = 1U << 20;
inline constexpr std::size_t kChunkedSpaceBytes = 64U << 20;

}  // namespace

Task<Connection::Read> Connection::read_body(const Head& head, std::uint64_t max_bytes, std::uint64_t factor,
                                             Reservation& reservation, std::string& body) {
  if (head.expects_continue && buffer_.size() == 0 && head.content_length != 0U) {
    if (!co_await write("HTTP/1.1 100 Continue\r\n\r\n")) co_return Read::closed;
  }
  arm(context_.settings.body_timeout);
  const Read how = head.chunked
                       ? co_await read_chunked(max_bytes, factor, reservation, body)
                       : co_await read_sized(head.content_length.value_or(0), factor, reservation, body);
  disarm();
  if (how == Read::ok) body_is_read_ = true;
  if (how == Read::closed) context_.counters.reject(Rejection::disconnected);
  context_.counters.touch();
  co_return how;
}

// Exactly `size` bytes: what follows belongs to the next request.
Task<Connection::Read> Connection::read_sized(std::uint64_t size, std::uint64_t factor,
                                              Reservation& reservation, std::string& body) {
  // Not set to zero first, and pages are not touched before bytes have come for them.
  // (The length that is asked for is said again: some libraries hand in the capacity.)
  body.resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
  std::uint64_t used = std::min<std::uint64_t>(size, buffer_.size());
  if (used > 0) std::memcpy(body.data(), buffer_.data().data(), used);
  buffer_.consume(used);
  const auto at_once = [](const error_code& error, std::size_t) { return error ? 0 : kReadAtOnceBytes; };
  for (std::uint64_t reserved = std::min<std::uint64_t>(size, kFirstBodyBytes);;) {
    if (used < reserved) {
      const auto part = asio::buffer(body.data() + used, reserved - used);
      const auto [error, got] = co_await asio::async_read(socket_, part, at_once, kAwait);
      if (got < part.size()) co_return expired_ ? Read::timeout : Read::closed;
      used = reserved;
    }
    if (used == size) co_return Read::ok;
    const std::uint64_t next = std::min(size, reserved * 2);
    Reservation more = co_await context_.inflight.take(reservation.whence(), (next - reserved) * factor);
    if (!more.holds()) co_return Read::no_room;
    reservation.join(std::move(more));
    reserved = next;
  }
}

Task<Connection::Read> Connection::read_chunked(std::uint64_t max_bytes, std::uint64_t factor,
                                                Reservation& reservation, std::string& body) {
  std::size_t used = 0;
  while (!parser_->is_done()) {
    if (used == body.size()) {
      if (used > max_bytes) co_return Read::too_large;
      const std::size_t size = std::min<std::uint64_t>(std::max(used * 2, kFirstChunkedBytes), max_bytes + 1);
      if (!reservation.grow((size - used) * factor)) co_return Read::no_room;
      const std::size_t space = std::min<std::uint64_t>(max_bytes + 1, kChunkedSpaceBytes);
      body.reserve(size > kChunkedCopiedBytes ? std::max(size, space) : size);
      // (The length that is asked for is said again: some libraries hand in the capacity.)
      body.resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
    }
    auto& piece = parser_->get().body();
    piece.data = body.data() + used;
    piece.size = body.size() - used;
    piece.more = true;
    error_code error;
    std::size_t consumed = 0;
    if (buffer_.size() > 0) consumed = parser_->put(buffer_.data(), error);
    buffer_.consume(consumed);
    const std::size_t filled = body.size() - used - piece.size;
    used += filled;
    if (error && error != http::error::need_more && error != http::error::need_buffer)
      co_return Read::malformed;
    if (parser_->is_done() || consumed > 0 || filled > 0) continue;
    // A chunk's header, its extensions or the trailer without an end.
    if (buffer_.size() > context_.settings.max_header_bytes) co_return Read::malformed;
    if (!co_await read_more(kChunkReadBytes)) co_return expired_ ? Read::timeout : Read::closed;
  }
  if (used > max_bytes) co_return Read::too_large;
  body.resize(used);
  co_return Read::ok;
}

Answer Connection::body_failure(const Head& head, Read how) const {
  Answer answer;
  switch (how) {
    case Read::timeout:
      answer = refusal(head, 408, Rejection::timeout, "the body took too long to come");
      break;
    case Read::too_large:
      answer = refusal(head, 413, Rejection::too_large, "the body is larger than is taken here");
      break;
    case Read::no_room:
      answer = try_later(head, Rejection::overloaded, "too many bytes in flight (listen.max_inflight_bytes)");
      break;
    default:
      answer = refusal(head, 400, Rejection::malformed, "the chunked body is not sound");
      break;
  }
  answer.close = true;
  return answer;
}

}  // namespace spanferry::ingest
