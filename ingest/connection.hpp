// One HTTP/1.1 connection: reads a head, lets the gate judge it, reads the body straight into the buffer that
// will be committed, waits for the commit, answers; again, until one side closes.
//
// Lives on the ingest thread. Every wait has a deadline, which a sweep over all connections enforces by
// cancelling what the connection waits for: cheaper than a timer a request.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "ingest/answer.hpp"
#include "ingest/asio_types.hpp"
#include "ingest/endpoint_table.hpp"
#include "ingest/gate.hpp"
#include "ingest/inflate.hpp"
#include "ingest/inflight.hpp"
#include "ingest/mailbox.hpp"
#include "ingest/patience.hpp"
#include "ingest/route_table.hpp"
#include "ingest/settings.hpp"
#include "model/log_limiter.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {

class Connection;

// What all connections share. Outlives them.
struct HttpContext {
  const Settings& settings;
  spool::Spool& spool;
  Counters& counters;
  Gate& gate;
  const EndpointTable& endpoints;
  Inflight& inflight;
  Mailbox& mailbox;
  boost::asio::io_context& worker;  // the thread "decode"
  const RouteTable& routes;
  Patience& patience;
  LogLimiter preface_log{};
  std::list<Connection*> idle{};  // between two requests, the longest first
  bool stopping = false;          // the doors are closing: no request after the one under way
};

class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(HttpContext& context, Socket socket, bool peer_is_loopback);

  // Until the connection is over. Never throws for what the peer does.
  Task<void> run();

  // The sweep: cancels what is waited for beyond its deadline.
  void enforce_deadline(Clock::time_point now);
  // Between two requests: closes, and is no longer among the idle. False: the request under way is answered
  // first.
  bool close_when_idle();
  // Closes at once.
  void abort();

 private:
  enum class Read : std::uint8_t { ok, closed, timeout, malformed, too_large, no_room, http2 };

  Task<bool> serve_one();
  Task<bool> wait_for_request();
  Task<Read> read_head();
  Task<bool> read_more(std::size_t bytes);
  Task<bool> answer_unreadable_head(Read how);
  [[nodiscard]] std::optional<Answer> check(const Head& head, const EndpointTable::Match& match,
                                            std::string_view path) const;

  Task<Answer> serve_traces(const Head& head);
  Task<Answer> keep_traces(const Head& head, std::string body, Coding coding, Reservation& reservation,
                           std::uint64_t credit, Route route);
  [[nodiscard]] Answer not_kept(const Head& head, Rejection reason, std::string_view sentence) const;
  Task<Answer> serve_endpoint(const Head& head, const Endpoint& endpoint, std::string path);

  // Reads the whole body into `body`, of at most `max_bytes`. `reservation` is for its first
  // part (kFirstBodyBytes) and grows with the rest, `factor` bytes for each.
  Task<Read> read_body(const Head& head, std::uint64_t max_bytes, std::uint64_t factor,
                       Reservation& reservation, std::string& body);
  Task<Read> read_sized(std::uint64_t size, std::uint64_t factor, Reservation& reservation,
                        std::string& body);
  Task<Read> read_chunked(std::uint64_t max_bytes, std::uint64_t factor, Reservation& reservation,
                          std::string& body);
  Task<bool> discard(std::uint64_t bytes);
  Answer body_failure(const Head& head, Read how) const;

  Task<bool> send(const Head& head, Answer answer);
  Task<bool> write(std::string_view bytes);
  Task<void> linger();

  void leave_idle();
  void arm(std::chrono::milliseconds timeout);
  void disarm() { deadline_ = Clock::time_point::max(); }

  HttpContext& context_;
  Socket socket_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::buffer_body>> parser_;
  Clock::time_point deadline_ = Clock::time_point::max();
  bool expired_ = false;
  std::list<Connection*> myself_{this};                             // empty: its node is in context_.idle
  const std::list<Connection*>::iterator place_ = myself_.begin();  // of that node, wherever it is
  bool closing_ = false;
  bool body_is_read_ = false;
  bool has_served_ = false;
  bool peer_is_loopback_;
};

}  // namespace spanferry::ingest
