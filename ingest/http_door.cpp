#include "ingest/http_door.hpp"

#include <cerrno>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include "ingest/address.hpp"
#include "ingest/connection.hpp"
#include "ingest/handed_socket.hpp"
#include "ingest/limits.hpp"

namespace spanferry::ingest {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

inline constexpr milliseconds kSweepAtMost{250};
inline constexpr milliseconds kSweepAtLeast{5};
inline constexpr milliseconds kAcceptPause{100};

// Deadlines are kept to about a quarter of the shortest of them.
milliseconds sweep_interval(const Settings& s) {
  const milliseconds shortest = std::min({s.header_timeout, s.body_timeout, s.idle_timeout, s.write_timeout});
  return std::clamp(shortest / 4, kSweepAtLeast, kSweepAtMost);
}

bool is_loopback(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_v4().is_loopback();
  const auto v6 = address.to_v6();
  return v6.is_v4_mapped() ? asio::ip::make_address_v4(asio::ip::v4_mapped, v6).is_loopback()
                           : v6.is_loopback();
}

void name_this_thread(const char* name) { pthread_setname_np(pthread_self(), name); }

}  // namespace

class HttpDoor::Impl {
 public:
  Impl(const Settings& settings, spool::Spool& spool, Counters& counters, std::vector<Endpoint> endpoints,
       const RouteTable& routes, Patience& patience, std::unique_ptr<TokenFile> token)
      : settings_(settings),
        counters_(counters),
        io_(1),
        worker_(1),
        worker_guard_(worker_.get_executor()),
        gate_(settings, std::move(token)),
        endpoints_(std::move(endpoints)),
        mailbox_(io_),
        inflight_(io_, settings.max_inflight_bytes, counters.inflight_bytes),
        context_{settings,  spool,    counters, gate_,  endpoints_,
                 inflight_, mailbox_, worker_,  routes, patience},
        sweep_timer_(io_),
        accept_pause_(io_) {}

  ~Impl() {
    stop(milliseconds(0));
    if (ingest_thread_.joinable()) ingest_thread_.join();
    worker_guard_.reset();
    if (decode_thread_.joinable()) decode_thread_.join();
  }

  Result<> bind() {
    if (!settings_.handed.http.empty()) return adopt(settings_.handed.http);
    std::vector<std::string> missing;
    for (const std::string& text : settings_.http) {
      if (text.empty()) continue;
      auto address = parse_address(text);
      if (!address) return std::unexpected(address.error().in("listen.http"));
      if (auto reach = check_reach(*address, "listen.http", settings_); !reach) return reach;
      if (auto bound = bind(*address); !bound) {
        if (!may_be_missing(*address) || bound.error().kind != ErrorKind::unavailable) return bound;
        missing.push_back(bound.error().sentence);
      }
    }
    if (acceptors_.empty() && !missing.empty()) return fail(ErrorKind::io, missing.front());
    for (const std::string& sentence : missing) spdlog::warn("{}; going on without it", sentence);
    return {};
  }

  void start() {
    accepting_ = acceptors_.size();
    is_over_ = acceptors_.empty();
    for (Acceptor& acceptor : acceptors_) asio::co_spawn(io_, accept_all(acceptor), asio::detached);
    asio::co_spawn(io_, sweep(), asio::detached);
    ingest_thread_ = std::thread([this] {
      name_this_thread("ingest");
      io_.run();  // until the doors are closed and the last connection is over
    });
    decode_thread_ = std::thread([this] {
      name_this_thread("decode");
      worker_.run();
    });
  }

  void stop(milliseconds deadline) {
    if (stopped_ || !ingest_thread_.joinable()) return;
    stopped_ = true;
    asio::post(io_, [this] { close_doors(); });
    std::unique_lock lock(mutex_);
    if (!all_over_.wait_for(lock, deadline, [this] { return is_over_; })) {
      asio::post(io_, [this] {
        aborting_ = true;
        for (Connection* connection : connections_) connection->abort();
      });
    }
  }

  [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  Result<> adopt(const std::vector<int>& sockets) {
    for (const int fd : sockets) {
      const auto address = handed_address(fd, Handed::http);
      if (!address) return std::unexpected(address.error());
      if (auto reach = check_reach(*address, "the socket unit", settings_); !reach) return reach;
      Acceptor acceptor(io_);
      error_code error;
      acceptor.assign(address->is_v6 ? Tcp::v6() : Tcp::v4(), fd, error);
      if (error)
        return fail(ErrorKind::io, fmt::format("cannot use the socket of the service manager for {}: {}",
                                               to_string(*address), error.message()));
      addresses_.push_back(to_string(*address));
      acceptors_.push_back(std::move(acceptor));
    }
    return {};
  }

  Result<> bind(Address address) {
    const auto failed = [&](const char* what, const error_code& error) {
      const bool no_such_address = error.value() == EAFNOSUPPORT || error.value() == EADDRNOTAVAIL;
      return fail(no_such_address ? ErrorKind::unavailable : ErrorKind::io,
                  fmt::format("listen.http: cannot {} {}: {}{}", what, to_string(address), error.message(),
                              error == asio::error::address_in_use
                                  ? " (is another daemon running? choose another port with listen.http)"
                                  : ""));
    };
    error_code error;
    const Tcp::endpoint endpoint(asio::ip::make_address(address.host, error), address.port);
    Acceptor acceptor(io_);
    if (!error) acceptor.open(endpoint.protocol(), error);
    if (error) return failed("open a socket for", error);
    acceptor.set_option(Acceptor::reuse_address(true), error);
    if (address.is_v6 && !error) acceptor.set_option(asio::ip::v6_only(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(kListenBacklog, error);
    if (error) return failed("listen on", error);
    address.port = acceptor.local_endpoint(error).port();
    addresses_.push_back(to_string(address));
    acceptors_.push_back(std::move(acceptor));
    return {};
  }

  Task<void> accept_all(Acceptor& acceptor) {
    while (!context_.stopping) {
      auto [error, socket] = co_await acceptor.async_accept(kAwait);
      if (context_.stopping && error) break;
      if (error) {
        // Out of descriptors, most likely: those that wait in the backlog are taken when some are free again.
        if (const auto left_out = accept_log_.allow()) {
          spdlog::warn("cannot accept a connection: {} ({} more since the last line)", error.message(),
                       *left_out);
        }
        accept_pause_.expires_after(kAcceptPause);
        co_await accept_pause_.async_wait(kAwait);
        continue;
      }
      const bool from_here = is_from_here(socket);
      const bool is_full = serving_ >= settings_.max_connections && !(from_here && make_room());
      if (is_full || (!from_here && from_elsewhere_ >= most_from_elsewhere())) {
        turn_away(std::move(socket));
      } else {
        take(std::move(socket), from_here);
      }
    }
    if (settings_.handed.http.empty() && !aborting_) take_backlog(acceptor);
    error_code ignored;
    acceptor.close(ignored);
    --accepting_;
    tell_connections();
  }

  // Those who have connected by the time of the close would be reset by it. (Where a service manager keeps
  // the socket open, they are left to whoever is started next.)
  void take_backlog(Acceptor& acceptor) {
    error_code error;
    acceptor.non_blocking(true, error);
    for (int taken = 0; !error && taken < kListenBacklog && serving_ < settings_.max_connections; ++taken) {
      Socket socket(io_);
      acceptor.accept(socket, error);
      if (error) break;
      const bool from_here = is_from_here(socket);
      take(std::move(socket), from_here);
    }
  }

  // At the limit, whoever has waited longest with nothing to say leaves for somebody of this host who has
  // just come.
  bool make_room() {
    if (context_.idle.empty() || !context_.idle.front()->close_when_idle()) return false;
    counters_.reject(Rejection::connections);
    return true;
  }

  static bool is_from_here(const Socket& socket) {
    error_code error;
    const auto peer = socket.remote_endpoint(error);
    return !error && is_loopback(peer.address());
  }

  // A quarter of the connections is kept for this host: who reaches the port from elsewhere cannot shut it
  // out.
  [[nodiscard]] std::size_t most_from_elsewhere() const {
    return settings_.max_connections - settings_.max_connections / 4;
  }

  void take(Socket socket, bool from_here) {
    ++serving_;
    if (!from_here) ++from_elsewhere_;
    tell_connections();
    asio::co_spawn(io_, serve(std::move(socket), from_here), asio::detached);
  }

  Task<void> serve(Socket socket, bool from_here) {
    Connection connection(context_, std::move(socket), from_here);
    const auto place = connections_.insert(connections_.end(), &connection);
    if (aborting_) connection.abort();
    try {
      co_await connection.run();
    } catch (const std::exception& e) {
      counters_.reject(Rejection::internal);
      if (const auto left_out = accept_log_.allow()) {
        spdlog::error("a connection was given up: {} ({} more since the last line)", e.what(), *left_out);
      }
    }
    connections_.erase(place);
    --serving_;
    if (!from_here) --from_elsewhere_;
    tell_connections();
  }

  void tell_connections() {
    counters_.connections.store(serving_, std::memory_order_relaxed);
    if (accepting_ > 0 || serving_ > 0) return;
    sweep_timer_.cancel();
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    all_over_.notify_all();
  }

  // One more than may be: a 503 if that is cheap, then the end.
  void turn_away(Socket socket) {
    counters_.reject(Rejection::connections);
    if (turned_away_ >= kMaxRefusing) return;
    asio::co_spawn(io_, say_too_many(std::move(socket)), asio::detached);
  }

  Task<void> say_too_many(Socket socket) {
    ++turned_away_;
    error_code error;
    socket.non_blocking(true, error);
    Answer answer =
        try_later(Head{}, Rejection::connections, "too many connections (listen.max_connections)");
    const std::string bytes = serialize(answer, false, true, false);
    socket.write_some(asio::buffer(bytes), error);
    socket.shutdown(Socket::shutdown_send, error);
    // What the client still sends is read for a moment, lest a reset overtakes the answer.
    Timer timer(io_, kLinger);
    // Null when we are gone and the timer's call is still on its way.
    auto waiting = std::make_shared<Socket*>(&socket);
    timer.async_wait([waiting](const error_code& cancelled) {
      error_code ignored;
      if (!cancelled && *waiting != nullptr) (*waiting)->cancel(ignored);
    });
    std::array<char, kReadBytes> rest{};
    for (std::size_t left = kLingerBytes; left > 0;) {
      const auto [failed, got] = co_await socket.async_read_some(asio::buffer(rest), kAwait);
      if (failed || got == 0 || context_.stopping) break;
      left -= std::min(left, got);
    }
    *waiting = nullptr;
    timer.cancel();
    --turned_away_;
  }

  Task<void> sweep() {
    const milliseconds interval = sweep_interval(settings_);
    while (accepting_ > 0 || serving_ > 0) {
      sweep_timer_.expires_after(interval);
      co_await sweep_timer_.async_wait(kAwait);
      const auto now = Connection::Clock::now();
      for (Connection* connection : connections_) connection->enforce_deadline(now);
    }
  }

  // On the ingest thread. With the acceptors closed, io_.run() returns when the last connection is over.
  void close_doors() {
    context_.stopping = true;
    error_code ignored;
    for (Acceptor& acceptor : acceptors_) acceptor.cancel(ignored);
    accept_pause_.cancel();
    for (Connection* connection : connections_) connection->close_when_idle();
  }

  const Settings& settings_;
  Counters& counters_;
  asio::io_context io_;
  asio::io_context worker_;
  asio::executor_work_guard<Executor> worker_guard_;
  Gate gate_;
  EndpointTable endpoints_;
  Mailbox mailbox_;
  Inflight inflight_;
  HttpContext context_;
  Timer sweep_timer_, accept_pause_;
  LogLimiter accept_log_;
  std::list<Acceptor> acceptors_;  // a coroutine holds on to each
  std::vector<std::string> addresses_;
  std::list<Connection*> connections_;
  // Acceptors that still accept, and connections taken and not over; connections_ follows a moment later.
  std::size_t accepting_ = 0, serving_ = 0;
  bool aborting_ = false;
  std::size_t from_elsewhere_ = 0;  // of those served
  std::size_t turned_away_ = 0;

  std::mutex mutex_;  // of what stop() waits for
  std::condition_variable all_over_;
  bool is_over_ = false;
  bool stopped_ = false;

  std::thread ingest_thread_, decode_thread_;
};

HttpDoor::HttpDoor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpDoor::~HttpDoor() = default;

Result<std::unique_ptr<HttpDoor>> HttpDoor::open(const Settings& settings, spool::Spool& spool,
                                                 Counters& counters, std::vector<Endpoint> endpoints,
                                                 const RouteTable& routes, Patience& patience) {
  std::unique_ptr<TokenFile> token;
  if (!settings.token_file.empty()) {
    auto opened = TokenFile::open(settings.token_file);
    if (!opened) return std::unexpected(std::move(opened.error()));
    token = std::move(*opened);
  }
  auto impl = std::make_unique<Impl>(settings, spool, counters, std::move(endpoints), routes, patience,
                                     std::move(token));
  if (auto bound = impl->bind(); !bound) return std::unexpected(std::move(bound.error()));
  impl->start();
  return std::unique_ptr<HttpDoor>(new HttpDoor(std::move(impl)));
}

const std::vector<std::string>& HttpDoor::addresses() const { return impl_->addresses(); }
void HttpDoor::stop(milliseconds deadline) { impl_->stop(deadline); }

}  // namespace spanferry::ingest
