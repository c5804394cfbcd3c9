#include "bench/load/generator.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <protozero/pbf_reader.hpp>
#include <sys/epoll.h>

#include "bench/load/sockets.hpp"
#include "model/json_writer.hpp"

namespace spanferry::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Connection {
  enum class State { waiting, connecting, ready, sending, receiving };

  State state = State::waiting;  // waiting: for `not_before`, then it connects
  Fd fd;
  std::uint32_t interest = 0;
  const Payload* payload = nullptr;
  std::string bytes;  // head and body of its request
  std::size_t body_at = 0;
  std::size_t sent = 0;
  std::array<char, 16384> in;
  std::size_t received = 0;
  std::uint64_t request = 0;
  Clock::time_point due;  // of the request; what its latency is counted from
  Clock::time_point not_before;
  Clock::time_point deadline;
};

// collector/trace/v1: ExportTraceServiceResponse {1 partial_success {1 rejected_spans}}. Some receivers send
// an empty partial_success with every success.
bool rejects_spans(std::string_view body) {
  try {
    protozero::pbf_reader response(body.data(), body.size());
    while (response.next(1)) {
      protozero::pbf_reader partial = response.get_message();
      while (partial.next(1)) {
        if (partial.get_int64() != 0) return true;
      }
    }
    return false;
  } catch (const protozero::exception&) {
    return true;
  }
}

class Generator {
 public:
  Generator(const LoadPlan& plan, const volatile bool& stop, sockaddr_in to)
      : plan_(plan), stop_(stop), to_(to), report_(plan) {}

  Result<LoadReport> run();

 private:
  using State = Connection::State;

  void prepare();
  void connect(Connection& c);
  void give_up(Connection& c);
  void try_send(Connection& c);
  void on_event(Connection& c, std::uint32_t events);
  void receive(Connection& c);
  bool answer(Connection& c, std::string_view head, std::string_view body);
  void want(Connection& c, std::uint32_t events);
  [[nodiscard]] bool more_to_send() const;
  [[nodiscard]] Clock::time_point next_due() const;
  void tick();
  void count_second();

  const LoadPlan& plan_;
  const volatile bool& stop_;
  sockaddr_in to_;
  LoadReport report_;
  std::vector<std::unique_ptr<Payload>> payloads_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Fd epoll_;
  Clock::time_point began_, now_;
  std::uint64_t started_ = 0;
  std::uint64_t acknowledged_before_ = 0;
};

void Generator::prepare() {
  for (std::uint32_t i = 0; i < std::min(plan_.variants, plan_.connections); ++i) {
    payloads_.push_back(std::make_unique<Payload>(plan_.shape, i));
  }
  report_.body_bytes = payloads_.front()->bytes().size();
  for (std::uint32_t i = 0; i < plan_.connections; ++i) {
    auto c = std::make_unique<Connection>();
    c->payload = payloads_[i % payloads_.size()].get();
    c->bytes = fmt::format(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
        plan_.path, plan_.address, c->payload->bytes().size());
    c->body_at = c->bytes.size();
    c->bytes += c->payload->bytes();
    connections_.push_back(std::move(c));
  }
}

void Generator::want(Connection& c, std::uint32_t events) {
  if (c.interest == events) return;
  epoll_event event{.events = events, .data = {.ptr = &c}};
  ::epoll_ctl(epoll_.get(), c.interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c.fd.get(), &event);
  c.interest = events;
}

void Generator::connect(Connection& c) {
  c.fd = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(c.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  c.interest = 0;
  c.deadline = now_ + plan_.timeout;
  if (::connect(c.fd.get(), reinterpret_cast<const sockaddr*>(&to_), sizeof to_) == 0) {
    c.state = State::ready;
    want(c, EPOLLIN);
  } else if (errno == EINPROGRESS) {
    c.state = State::connecting;
    want(c, EPOLLOUT);
  } else {
    ++report_.connect_errors;
    give_up(c);
  }
}

// Closes; it connects anew after a pause.
void Generator::give_up(Connection& c) {
  c.fd.reset();
  c.state = State::waiting;
  c.not_before = now_ + plan_.pause;
}

bool Generator::more_to_send() const {
  if (stop_ || (plan_.requests != 0 && started_ >= plan_.requests)) return false;
  return plan_.duration.count() == 0 || now_ - began_ < plan_.duration;
}

Clock::time_point Generator::next_due() const {
  if (plan_.rate <= 0) return now_;
  return began_ + std::chrono::duration_cast<Clock::duration>(
                      std::chrono::duration<double>(static_cast<double>(started_) / plan_.rate));
}

// Puts the next request on a ready connection if one is due, or goes on with the one it has begun.
void Generator::try_send(Connection& c) {
  if (c.state == State::ready) {
    if (!more_to_send() || next_due() > now_ || c.not_before > now_) return;
    c.due = next_due();
    c.request = plan_.first_request + started_++;
    c.payload->number(c.bytes.data() + c.body_at, plan_.seed, c.request);
    c.sent = 0;
    c.received = 0;
    c.deadline = now_ + plan_.timeout;
    c.state = State::sending;
  }
  while (c.sent < c.bytes.size()) {
    const ssize_t n = ::send(c.fd.get(), c.bytes.data() + c.sent, c.bytes.size() - c.sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return want(c, EPOLLIN | EPOLLOUT);
    if (n < 0) {
      ++report_.broken;
      return give_up(c);
    }
    c.sent += static_cast<std::size_t>(n);
  }
  ++report_.sent;
  c.state = State::receiving;
  want(c, EPOLLIN);
}

void Generator::on_event(Connection& c, std::uint32_t events) {
  if (c.state == State::waiting) return;
  if (c.state == State::connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(c.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      ++report_.connect_errors;
      return give_up(c);
    }
    c.state = State::ready;
    want(c, EPOLLIN);
    return try_send(c);
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(c);
  if (c.state == State::sending && (events & EPOLLOUT) != 0) try_send(c);
}

void Generator::receive(Connection& c) {
  const ssize_t n = ::recv(c.fd.get(), c.in.data() + c.received, c.in.size() - c.received, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    if (c.state != State::ready) ++report_.broken;
    return give_up(c);
  }
  c.received += static_cast<std::size_t>(n);
  const std::string_view all(c.in.data(), c.received);
  const auto head_bytes = head_size(all);
  const std::string_view head = all.substr(0, head_bytes.value_or(0));
  const auto length = head_bytes ? whole_number(header(head, "Content-Length")) : std::nullopt;
  const bool unreadable = head_bytes && !length;
  if (unreadable || (c.received == c.in.size() && (!head_bytes || *head_bytes + *length > c.received))) {
    ++report_.broken;
    return give_up(c);
  }
  if (!head_bytes || c.received < *head_bytes + *length) return;
  const bool whole_request_out = c.state == State::receiving;
  const bool keep = answer(c, head, all.substr(*head_bytes, *length));
  if (!keep || !whole_request_out) return give_up(c);
  c.state = State::ready;
  c.received = 0;
  try_send(c);
}

// Books the answer; false if the connection is not to be used again.
bool Generator::answer(Connection& c, std::string_view head, std::string_view body) {
  const int status = static_cast<int>(whole_number(head.substr(9, 3)).value_or(0));
  if (status == 200 && !rejects_spans(body)) {
    report_.ledger.acknowledge(c.request);
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - c.due);
    report_.latencies.add(static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)));
  } else if (status == 200) {
    ++report_.partial;
  } else {
    if (report_.refused.empty()) {
      report_.first_refusal_retry_after_s = whole_number(header(head, "Retry-After")).value_or(0);
    }
    ++report_.refused[status];
    c.not_before = now_ + plan_.pause;
  }
  return !same_letters(header(head, "Connection"), "close");
}

// What only the clock brings: requests that are due, connections to make again, answers that never came.
void Generator::tick() {
  for (auto& c : connections_) {
    if (c->state == State::waiting && c->not_before <= now_ && more_to_send()) connect(*c);
    if (c->state == State::ready) try_send(*c);
    const bool busy =
        c->state == State::connecting || c->state == State::sending || c->state == State::receiving;
    if (busy && c->deadline <= now_) {
      ++report_.timeouts;
      give_up(*c);
    }
  }
}

void Generator::count_second() {
  auto& seconds = report_.acknowledged_spans_each_second;
  if (now_ - began_ < std::chrono::seconds(seconds.size() + 1)) return;
  const std::uint64_t spans = report_.ledger.count() * plan_.shape.spans;
  seconds.push_back(spans - acknowledged_before_);
  acknowledged_before_ = spans;
  if (plan_.progress) {
    std::uint64_t refused = 0;
    for (const auto& [status, n] : report_.refused) refused += n;
    fmt::print(stderr, "{{\"second\":{},\"acked_spans\":{},\"refused\":{}}}\n", seconds.size(), spans,
               refused);
  }
}

Result<LoadReport> Generator::run() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.open()) return std::unexpected(system_error("epoll_create1"));
  prepare();
  began_ = now_ = Clock::now();
  std::array<epoll_event, 256> events;
  auto next_tick = now_;
  std::optional<Clock::time_point> last_sent;
  while (true) {
    if (now_ >= next_tick) {
      tick();
      count_second();
      next_tick = now_ + std::chrono::milliseconds(plan_.rate > 0 ? 1 : 5);
    }
    if (!more_to_send()) {
      if (!last_sent) last_sent = now_;
      const bool busy = std::ranges::any_of(connections_, [](const auto& c) {
        return c->state == State::sending || c->state == State::receiving;
      });
      if (!busy || now_ - *last_sent > plan_.linger) break;
    }
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), plan_.rate > 0 ? 1 : 5);
    now_ = Clock::now();
    for (int i = 0; i < n; ++i) on_event(*static_cast<Connection*>(events[i].data.ptr), events[i].events);
  }
  for (const auto& c : connections_) {
    report_.unanswered += c->state == State::sending || c->state == State::receiving;
  }
  report_.seconds = std::chrono::duration<double>(last_sent.value_or(now_) - began_).count();
  return std::move(report_);
}

}  // namespace

Result<LoadReport> run_load(const LoadPlan& plan, const volatile bool& stop) {
  const auto to = ipv4(plan.address);
  if (!to) return std::unexpected(to.error());
  if (plan.connections == 0 || plan.variants == 0) {
    return fail(ErrorKind::invalid_input, "there must be at least one connection and one variant");
  }
  return Generator(plan, stop, *to).run();
}

std::string to_json(const LoadPlan& plan, const LoadReport& report) {
  std::string out;
  JsonWriter json(out);
  const std::uint64_t spans = report.ledger.count() * plan.shape.spans;
  const double seconds = std::max(report.seconds, 1e-9);
  json.begin_object();
  json.field("payload", plan.shape.name).field("spans_per_request", plan.shape.spans);
  json.field("body_bytes", static_cast<std::uint64_t>(report.body_bytes));
  json.field("connections", plan.connections).field("seed", static_cast<unsigned>(plan.seed));
  json.field("seconds", report.seconds).field("sent_requests", report.sent);
  json.field("acked_requests", report.ledger.count()).field("acked_spans", spans);
  json.field("spans_per_s", static_cast<double>(spans) / seconds);
  json.field("mb_per_s", static_cast<double>(report.ledger.count() * report.body_bytes) / seconds / 1e6);
  json.field("p50_ms", report.latencies.quantile_ms(0.5)).field("p99_ms", report.latencies.quantile_ms(0.99));
  json.field("max_ms", report.latencies.max_ms());
  json.key("refused").begin_object();
  for (const auto& [status, n] : report.refused) json.field(fmt::format("{}", status), n);
  json.end_object();
  json.field("first_refusal_retry_after_s", report.first_refusal_retry_after_s);
  json.field("partial", report.partial).field("broken", report.broken).field("timeouts", report.timeouts);
  json.field("unanswered", report.unanswered).field("connect_errors", report.connect_errors);
  json.key("acked_spans_each_second").begin_array();
  for (const auto n : report.acknowledged_spans_each_second) json.value(n);
  json.end_array();
  json.end_object();
  return out;
}

}  // namespace spanferry::bench
