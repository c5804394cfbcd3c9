#include "bench/load/sink_server.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <list>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <sys/epoll.h>

#include "bench/load/http_text.hpp"
#include "bench/load/sockets.hpp"
#include "model/json_writer.hpp"

namespace spanferry::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxHead = 64U << 10;
constexpr std::uint64_t kMaxBody = 256ULL << 20;
constexpr std::pair<std::string_view, SinkMode> kModes[] = {
    {"ok", SinkMode::ok},
    {"status", SinkMode::status},
    {"close", SinkMode::close},
    {"answer_lost", SinkMode::answer_lost},
    {"never_answer", SinkMode::never_answer},
    {"black_hole", SinkMode::black_hole},
    {"refuse", SinkMode::refuse},
};

struct Peer {
  Fd fd;
  bool admin = false;
  bool held = false;  // it gets no answer before the mode changes
  bool gone = false;
  std::string in;  // a head and as much of its body as has come
  std::string out;
  std::size_t out_sent = 0;
  bool continued = false;
  std::optional<Clock::time_point> answer_at;  // of the request in `in`
  std::list<Peer>::iterator self;
};

std::string_view argument(std::string_view target, std::string_view name) {
  std::size_t at = target.find('?');
  while (at != std::string_view::npos) {
    const std::string_view pair = target.substr(at + 1, target.find('&', at + 1) - at - 1);
    if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=') {
      return pair.substr(name.size() + 1);
    }
    at = target.find('&', at + 1);
  }
  return {};
}

class Server final : public SinkServer {
 public:
  explicit Server(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}
  Result<> bind(const std::string& address, const std::string& admin_address);
  [[nodiscard]] std::uint16_t port() const override { return ntohs(address_.sin_port); }
  [[nodiscard]] std::uint16_t admin_port() const override { return admin_port_; }
  void run(const volatile bool& stop) override;

 private:
  static Result<Fd> listen(sockaddr_in& address);
  void watch(int fd, void* who, std::uint32_t events, bool add);
  void accept(bool admin);
  void read(Peer& peer);
  void handle(Peer& peer);
  void answer_backend(Peer& peer, const Request& request);
  void answer_admin(Peer& peer, const Request& request);
  void reply(Peer& peer, int status, std::string_view type, std::string_view body,
             std::string_view headers = {});
  void flush(Peer& peer);
  void drop(Peer& peer) { peer.gone = true; }
  void sweep();
  bool set_mode(SinkMode mode);
  Answer book(const Request& request);
  std::string stats() const;

  Fd epoll_, listener_, admin_listener_;
  sockaddr_in address_{};
  std::uint16_t admin_port_ = 0;
  std::list<Peer> peers_;
  const std::unique_ptr<Backend> backend_;
  Clock::time_point last_body_ = Clock::now();
  SinkMode mode_ = SinkMode::ok;
  int status_ = 503;
  std::chrono::milliseconds delay_{0};
  std::uint64_t requests_ = 0, refused_ = 0, bytes_ = 0, connections_ = 0;
  bool quit_ = false;
};

Result<Fd> Server::listen(sockaddr_in& address) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 128) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return std::unexpected(system_error("listening"));
  }
  return fd;
}

Result<> Server::bind(const std::string& address, const std::string& admin_address) {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.open()) return std::unexpected(system_error("epoll_create1"));
  const auto data = ipv4(address);
  auto admin = ipv4(admin_address);
  if (!data) return std::unexpected(data.error());
  if (!admin) return std::unexpected(admin.error());
  address_ = *data;
  auto listener = listen(address_);
  if (!listener) return std::unexpected(listener.error());
  auto admin_listener = listen(*admin);
  if (!admin_listener) return std::unexpected(admin_listener.error());
  listener_ = std::move(*listener);
  admin_listener_ = std::move(*admin_listener);
  admin_port_ = ntohs(admin->sin_port);
  watch(listener_.get(), &listener_, EPOLLIN, true);
  watch(admin_listener_.get(), &admin_listener_, EPOLLIN, true);
  return {};
}

void Server::watch(int fd, void* who, std::uint32_t events, bool add) {
  epoll_event event{.events = events, .data = {.ptr = who}};
  ::epoll_ctl(epoll_.get(), add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

void Server::accept(bool admin) {
  Fd fd(::accept4(admin ? admin_listener_.get() : listener_.get(), nullptr, nullptr,
                  SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.open()) return;
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connections_ += !admin;
  Peer& peer = peers_.emplace_back();
  peer.fd = std::move(fd);
  peer.admin = admin;
  peer.self = std::prev(peers_.end());
  watch(peer.fd.get(), &peer, EPOLLIN, true);
}

void Server::read(Peer& peer) {
  static std::array<char, 256U << 10> buffer;
  const ssize_t n = ::recv(peer.fd.get(), buffer.data(), buffer.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return drop(peer);
  peer.in.append(buffer.data(), static_cast<std::size_t>(n));
  handle(peer);
}

// Answers the request at the front of `in` once it is whole.
void Server::handle(Peer& peer) {
  if (peer.held || peer.answer_at || peer.gone) return;
  const auto head_bytes = head_size(peer.in);
  if (!head_bytes) {
    if (peer.in.size() > kMaxHead) drop(peer);
    return;
  }
  const std::string_view head = std::string_view(peer.in).substr(0, *head_bytes);
  const std::string_view length_text = header(head, "Content-Length");
  const auto length = length_text.empty() ? std::optional<std::uint64_t>(0) : whole_number(length_text);
  if (!length || *length > kMaxBody || !header(head, "Transfer-Encoding").empty()) return drop(peer);
  if (peer.in.size() < *head_bytes + *length) {
    peer.in.reserve(*head_bytes + *length);
    if (!peer.continued && same_letters(header(peer.in, "Expect"), "100-continue")) {
      peer.continued = true;
      peer.out += "HTTP/1.1 100 Continue\r\n\r\n";
      flush(peer);
    }
    return;
  }
  Request request{.method = head.substr(0, head.find(' ')), .target = {}, .head = head, .body = {}};
  const std::size_t target_at = std::min(request.method.size() + 1, head.size());
  request.target = head.substr(target_at, head.find(' ', target_at) - target_at);
  request.body = std::string_view(peer.in).substr(*head_bytes, *length);
  if (peer.admin) {
    answer_admin(peer, request);
  } else {
    answer_backend(peer, request);
  }
  if (peer.held || peer.gone) return;
  peer.in.erase(0, *head_bytes + *length);
  peer.continued = false;
  if (!peer.answer_at) flush(peer);
}

void Server::answer_backend(Peer& peer, const Request& request) {
  switch (mode_) {
    case SinkMode::status:
      ++refused_;
      reply(peer, status_, "text/plain", "this backend was told to refuse\n");
      break;
    case SinkMode::close:
    case SinkMode::refuse:
      ++refused_;
      return drop(peer);
    case SinkMode::never_answer:
    case SinkMode::black_hole:
      ++refused_;
      peer.held = true;
      return;
    case SinkMode::answer_lost:
      book(request);
      return drop(peer);
    case SinkMode::ok: {
      const Answer answer = book(request);
      reply(peer, answer.status, answer.type, answer.body, answer.headers);
      break;
    }
  }
  if (delay_.count() > 0) peer.answer_at = Clock::now() + delay_;
}

Answer Server::book(const Request& request) {
  last_body_ = Clock::now();
  ++requests_;
  bytes_ += request.body.size();
  return backend_->answer(request);
}

std::string Server::stats() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("requests", requests_).field("refused", refused_);
  json.field("bytes", bytes_).field("connections", connections_);
  backend_->add_stats(json);
  json.end_object();
  return out;
}

std::string to_json(const Comparison& c, double quiet_s) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("acknowledged", c.acknowledged).field("missing", c.missing).field("duplicates", c.duplicates);
  json.field("extra", c.extra).field("most_often", c.most_often).field("quiet_s", quiet_s);
  json.key("missing_requests").begin_array();
  for (const auto n : c.missing_requests) json.value(n);
  json.end_array();
  json.end_object();
  return out;
}

void Server::answer_admin(Peer& peer, const Request& request) {
  const std::string_view path = request.target.substr(0, request.target.find('?'));
  constexpr std::string_view kJson = "application/json";
  if (path == "/stats") return reply(peer, 200, kJson, stats());
  if (path == "/compare") {
    const auto ledger = Ledger::read(std::string(argument(request.target, "ledger")));
    if (!ledger) return reply(peer, 400, "text/plain", ledger.error().sentence);
    const std::chrono::duration<double> quiet = Clock::now() - last_body_;
    return reply(peer, 200, kJson, to_json(backend_->compare(*ledger), quiet.count()));
  }
  if (path == "/mode") {
    status_ = static_cast<int>(whole_number(argument(request.target, "status")).value_or(503));
    delay_ = std::chrono::milliseconds(whole_number(argument(request.target, "delay_ms")).value_or(0));
    const std::string_view wanted = argument(request.target, "set");
    const auto* mode = std::ranges::find(kModes, wanted, &std::pair<std::string_view, SinkMode>::first);
    const bool set = mode != std::end(kModes) && set_mode(mode->second);
    return reply(peer, set ? 200 : 400, kJson,
                 set ? "{}" : "{\"error\":\"no such mode, or the port is taken\"}");
  }
  if (path == "/quit") {
    quit_ = true;
    return reply(peer, 200, kJson, "{}");
  }
  reply(peer, 404, "text/plain", "there are /stats, /compare, /mode and /quit\n");
}

// Connections that a mode held are closed when it ends, as by a server that restarts; what a black hole kept
// in the kernel is read and answered.
bool Server::set_mode(SinkMode mode) {
  if (mode == SinkMode::refuse && listener_.open()) {
    listener_.reset();
    for (auto& peer : peers_) {
      if (!peer.admin) drop(peer);
    }
  }
  if (mode != SinkMode::refuse && !listener_.open()) {
    auto listener = listen(address_);
    if (!listener) return false;
    listener_ = std::move(*listener);
    watch(listener_.get(), &listener_, EPOLLIN, true);
  }
  const bool reading = mode != SinkMode::black_hole;
  if (listener_.open()) watch(listener_.get(), &listener_, reading ? std::uint32_t{EPOLLIN} : 0U, false);
  for (auto& peer : peers_) {
    if (peer.admin || peer.gone) continue;
    if (peer.held && mode != mode_) drop(peer);
    watch(peer.fd.get(), &peer, reading ? std::uint32_t{EPOLLIN} : 0U, false);
  }
  mode_ = mode;
  return true;
}

void Server::reply(Peer& peer, int status, std::string_view type, std::string_view body,
                   std::string_view headers) {
  peer.out += fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}", status,
                          status == 200 ? "OK" : "Refused", type, body.size(), headers, body);
}

void Server::flush(Peer& peer) {
  while (peer.out_sent < peer.out.size()) {
    const ssize_t n =
        ::send(peer.fd.get(), peer.out.data() + peer.out_sent, peer.out.size() - peer.out_sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return watch(peer.fd.get(), &peer, EPOLLIN | EPOLLOUT, false);
    }
    if (n < 0) return drop(peer);
    peer.out_sent += static_cast<std::size_t>(n);
  }
  peer.out.clear();
  peer.out_sent = 0;
}

// Answers that are due, and connections that are done.
void Server::sweep() {
  const auto now = Clock::now();
  for (auto it = peers_.begin(); it != peers_.end();) {
    Peer& peer = *it;
    if (peer.answer_at && *peer.answer_at <= now && !peer.gone) {
      peer.answer_at.reset();
      flush(peer);
      handle(peer);
    }
    it = peer.gone ? peers_.erase(it) : std::next(it);
  }
}

void Server::run(const volatile bool& stop) {
  std::array<epoll_event, 128> events;
  while (!stop && !quit_) {
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), delay_.count() > 0 ? 1 : 50);
    for (int i = 0; i < n; ++i) {
      void* who = events[i].data.ptr;
      if (who == &listener_ || who == &admin_listener_) {
        accept(who == &admin_listener_);
        continue;
      }
      Peer& peer = *static_cast<Peer*>(who);
      if (peer.gone) continue;
      if ((events[i].events & EPOLLOUT) != 0) {
        watch(peer.fd.get(), &peer, EPOLLIN, false);
        flush(peer);
      }
      if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read(peer);
      handle(peer);  // a second request may have come with the first
    }
    sweep();
  }
}

}  // namespace

Result<std::unique_ptr<SinkServer>> SinkServer::open(const std::string& address,
                                                     const std::string& admin_address,
                                                     std::unique_ptr<Backend> backend) {
  auto server = std::make_unique<Server>(std::move(backend));
  if (const auto bound = server->bind(address, admin_address); !bound) return std::unexpected(bound.error());
  return server;
}

}  // namespace spanferry::bench
