// An HTTP/1.1 server in the test's own io_context that answers as the test says, right or wrong.
#pragma once

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace spanferry::testing {

namespace asio = boost::asio;

struct Received {
  std::string method, target, body;
  std::map<std::string, std::string> headers;  // names in lower case
};

struct Answer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  std::string raw{};   // if set: these bytes instead of all the above
  bool hang = false;   // never answers, holds the connection
  bool close = false;  // closes after what was written; alone, instead of an answer
};

class ScriptedServer {
 public:
  using Script = std::function<Answer(const Received&)>;

  ScriptedServer(asio::io_context& io, Script script)
      : state_(std::make_shared<State>(io, std::move(script))) {
    asio::co_spawn(io, accept(state_), asio::detached);
  }
  ~ScriptedServer() { stop(); }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  void stop() {
    boost::system::error_code ignored;
    state_->acceptor.close(ignored);
    for (auto& weak : state_->sockets)
      if (auto socket = weak.lock()) socket->close(ignored);
  }
  [[nodiscard]] unsigned short port() const { return state_->port; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port()); }
  [[nodiscard]] int connections() const { return state_->connections; }
  [[nodiscard]] int open_now() const { return state_->open_now; }
  [[nodiscard]] int most_open() const { return state_->most_open; }
  // Everything received, in order.
  [[nodiscard]] const std::vector<Received>& received() const { return state_->received; }
  void set_script(Script script) { state_->script = std::move(script); }

 private:
  using Socket = asio::ip::tcp::socket;
  struct State {
    State(asio::io_context& io, Script given)
        : acceptor(io, {asio::ip::make_address("127.0.0.1"), 0}),
          port(acceptor.local_endpoint().port()),
          script(std::move(given)) {}
    asio::ip::tcp::acceptor acceptor;
    const unsigned short port;
    Script script;
    std::vector<Received> received;
    std::vector<std::weak_ptr<Socket>> sockets;
    int connections = 0, open_now = 0, most_open = 0;
  };

  static asio::awaitable<void> accept(std::shared_ptr<State> state) {
    for (;;) {
      auto socket = std::make_shared<Socket>(state->acceptor.get_executor());
      const auto [ec] = co_await state->acceptor.async_accept(*socket, asio::as_tuple(asio::use_awaitable));
      if (ec) co_return;
      ++state->connections;
      state->sockets.push_back(socket);
      asio::co_spawn(state->acceptor.get_executor(), serve(state, socket), asio::detached);
    }
  }

  static asio::awaitable<void> serve(std::shared_ptr<State> state, std::shared_ptr<Socket> socket) {
    state->most_open = std::max(state->most_open, ++state->open_now);
    std::string buffer;
    while (auto request = co_await read_request(*socket, buffer)) {
      state->received.push_back(*request);
      const Answer answer = state->script(*request);
      if (answer.hang) {
        char nothing = 0;
        co_await socket->async_read_some(asio::buffer(&nothing, 1), asio::as_tuple(asio::use_awaitable));
        break;
      }
      const std::string text = text_of(answer);
      co_await asio::async_write(*socket, asio::buffer(text), asio::as_tuple(asio::use_awaitable));
      if (answer.close) break;
    }
    --state->open_now;
    boost::system::error_code ignored;
    socket->close(ignored);
  }

  static std::string text_of(const Answer& answer) {
    if (!answer.raw.empty() || (answer.close && answer.body.empty() && answer.status == 200))
      return answer.raw;
    std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " Told\r\n";
    for (const auto& [key, value] : answer.headers) text += key + ": " + value + "\r\n";
    return text + "content-length: " + std::to_string(answer.body.size()) + "\r\n\r\n" + answer.body;
  }

  static asio::awaitable<std::optional<Received>> read_request(Socket& socket, std::string& buffer) {
    const auto [ec, header_bytes] = co_await asio::async_read_until(
        socket, asio::dynamic_buffer(buffer), "\r\n\r\n", asio::as_tuple(asio::use_awaitable));
    if (ec) co_return std::nullopt;
    Received request = parse_header(buffer.substr(0, header_bytes));
    buffer.erase(0, header_bytes);
    const auto length = request.headers.find("content-length");
    const std::size_t wanted = length == request.headers.end() ? 0 : std::stoul(length->second);
    if (buffer.size() < wanted) {
      const auto [body_ec, n] = co_await asio::async_read(socket, asio::dynamic_buffer(buffer),
                                                          asio::transfer_exactly(wanted - buffer.size()),
                                                          asio::as_tuple(asio::use_awaitable));
      if (body_ec) co_return std::nullopt;
    }
    request.body = buffer.substr(0, wanted);
    buffer.erase(0, wanted);
    co_return request;
  }

  static Received parse_header(const std::string& text) {
    Received request;
    std::size_t at = text.find(' ');
    request.method = text.substr(0, at);
    request.target = text.substr(at + 1, text.find(' ', at + 1) - at - 1);
    for (std::size_t line = text.find("\r\n") + 2; line < text.size();) {
      const std::size_t end = text.find("\r\n", line);
      const std::size_t colon = text.find(':', line);
      if (end == line || colon > end) break;
      std::string key = text.substr(line, colon - line);
      std::ranges::transform(key, key.begin(), [](unsigned char c) { return std::tolower(c); });
      std::size_t value = colon + 1;
      while (value < end && text[value] == ' ') ++value;
      request.headers[key] = text.substr(value, end - value);
      line = end + 2;
    }
    return request;
  }

  std::shared_ptr<State> state_;
};

// Runs the loop until the coroutine has ended (or ten seconds are over: then the result is missing).
template <class T>
std::optional<T> run(asio::io_context& io, asio::awaitable<T> work) {
  std::optional<T> result;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr error, T value) {
    if (!error) result.emplace(std::move(value));
  });
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  io.restart();
  while (!result && std::chrono::steady_clock::now() < until) io.run_one_until(until);
  return result;
}

// Runs the loop until the condition holds; false after ten seconds.
inline bool run_until(asio::io_context& io, const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  io.restart();
  while (!holds() && std::chrono::steady_clock::now() < until) io.run_one_until(until);
  return holds();
}

}  // namespace spanferry::testing
