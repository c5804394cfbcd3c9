#include "net/http_client.hpp"

#include <cstdlib>
#include <unordered_map>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/http_exchange.hpp"

namespace spanferry::net {
namespace asio = boost::asio;

namespace {

using Completion = asio::any_completion_handler<void(HttpResult)>;

ClientOptions options_of(TlsSettings tls, std::string user_agent, ProxySettings proxies) {
  if (tls.ca_file.empty())
    if (const char* file = std::getenv("SSL_CERT_FILE"); file != nullptr) tls.ca_file = file;
  return {std::move(tls), std::move(user_agent), std::move(proxies)};
}

void init_curl_once() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)result;  // a failure shows again as an easy handle that cannot be made
}

}  // namespace

// libcurl tells which sockets it waits for and how long; Asio waits; each event goes back as a socket action.
// Every entry into libcurl comes from a handler of the executor, never from inside one of its callbacks.
class HttpClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, ClientOptions options, std::size_t max_connections)
      : io_(io), timer_(io), options_(std::move(options)) {
    init_curl_once();
    multi_ = curl_multi_init();
    if (multi_ == nullptr) return;
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Impl::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(max_connections));
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(max_connections));
  }

  void start(HttpRequest request, Completion done) {
    const std::uint64_t id = next_id_++;
    auto exchange = std::make_unique<HttpExchange>(std::move(request), options_);
    if (closed_ || multi_ == nullptr) {
      complete(std::move(done), std::unexpected(exchange->error(TransportFailure::cancelled, "stopped")));
      return;
    }
    CURL* easy = exchange->easy();
    if (easy == nullptr || curl_multi_add_handle(multi_, easy) != CURLM_OK) {
      complete(std::move(done), exchange->result(CURLE_FAILED_INIT));
      return;
    }
    if (auto slot = asio::get_associated_cancellation_slot(done); slot.is_connected())
      slot.assign([weak = weak_from_this(), id](asio::cancellation_type) {
        if (auto self = weak.lock()) asio::post(self->io_, [self, id] { self->cancel(id); });
      });
    by_easy_.emplace(easy, id);
    operations_.emplace(id, Operation{std::move(exchange), std::move(done)});
  }

  void close() {
    if (closed_) return;
    closed_ = true;
    while (!operations_.empty()) cancel(operations_.begin()->first);
    timer_.cancel();
    if (multi_ == nullptr) return;
    // From here on libcurl must not call back; the descriptors it is about to close are its own.
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, nullptr);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, nullptr);
    for (auto& [fd, watch] : watches_) watch.descriptor->release();
    watches_.clear();
    curl_multi_cleanup(multi_);
    multi_ = nullptr;
  }

 private:
  struct Operation {
    std::unique_ptr<HttpExchange> exchange;
    Completion done;
  };

  // A socket that libcurl waits for. Waits are one-shot, so each direction is armed again as long as it is
  // wanted; `generation` tells a wait for this socket from one for an earlier socket of the same number.
  struct Watch {
    std::unique_ptr<asio::posix::stream_descriptor> descriptor;
    std::uint64_t generation = 0;
    int wanted = CURL_POLL_NONE;
    bool waits_in = false, waits_out = false;
  };

  void complete(Completion done, HttpResult result) {
    if (auto slot = asio::get_associated_cancellation_slot(done); slot.is_connected()) slot.clear();
    asio::post(io_, [done = std::move(done), result = std::move(result)]() mutable {
      std::move(done)(std::move(result));
    });
  }

  void finish(std::uint64_t id, CURLcode code, bool cancelled) {
    const auto found = operations_.find(id);
    if (found == operations_.end()) return;
    Operation operation = std::move(found->second);
    operations_.erase(found);
    CURL* easy = operation.exchange->easy();
    by_easy_.erase(easy);
    curl_multi_remove_handle(multi_, easy);
    complete(std::move(operation.done),
             cancelled ? std::unexpected(operation.exchange->error(TransportFailure::cancelled, "stopped"))
                       : operation.exchange->result(code));
  }

  void cancel(std::uint64_t id) { finish(id, CURLE_ABORTED_BY_CALLBACK, true); }

  void act(curl_socket_t socket, int events) {
    if (multi_ == nullptr) return;
    int running = 0;
    curl_multi_socket_action(multi_, socket, events, &running);
    int queued = 0;
    while (multi_ != nullptr) {
      const CURLMsg* message = curl_multi_info_read(multi_, &queued);
      if (message == nullptr) break;
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      if (const auto found = by_easy_.find(message->easy_handle); found != by_easy_.end())
        finish(found->second, code, false);
    }
  }

  void watch(curl_socket_t socket, int what) {
    if (what == CURL_POLL_REMOVE) {
      if (const auto found = watches_.find(socket); found != watches_.end()) {
        found->second.descriptor->release();
        watches_.erase(found);
      }
      return;
    }
    auto [found, is_new] = watches_.try_emplace(socket);
    Watch& watch = found->second;
    if (is_new) {
      watch.generation = next_id_++;
      watch.descriptor = std::make_unique<asio::posix::stream_descriptor>(io_);
      boost::system::error_code ec;
      watch.descriptor->assign(socket, ec);
      if (ec) {
        watches_.erase(found);  // the exchange ends at its timeout
        return;
      }
    }
    watch.wanted = what;
    arm(socket, watch);
  }

  void arm(curl_socket_t socket, Watch& watch) {
    if ((watch.wanted & CURL_POLL_IN) != 0 && !watch.waits_in) {
      watch.waits_in = true;
      wait(socket, watch, asio::posix::stream_descriptor::wait_read, CURL_CSELECT_IN);
    }
    if ((watch.wanted & CURL_POLL_OUT) != 0 && !watch.waits_out) {
      watch.waits_out = true;
      wait(socket, watch, asio::posix::stream_descriptor::wait_write, CURL_CSELECT_OUT);
    }
  }

  void wait(curl_socket_t socket, Watch& watch, asio::posix::stream_descriptor::wait_type type, int event) {
    watch.descriptor->async_wait(type, [self = shared_from_this(), socket, event,
                                        generation = watch.generation](boost::system::error_code ec) {
      self->socket_ready(socket, generation, event, static_cast<bool>(ec));
    });
  }

  void socket_ready(curl_socket_t socket, std::uint64_t generation, int event, bool failed) {
    Watch* watch = find_watch(socket, generation);
    if (watch == nullptr) return;
    const bool is_in = event == CURL_CSELECT_IN;
    (is_in ? watch->waits_in : watch->waits_out) = false;
    if ((watch->wanted & (is_in ? CURL_POLL_IN : CURL_POLL_OUT)) == 0) return;
    act(socket, failed ? CURL_CSELECT_ERR : event);
    // libcurl only calls back when what it wants has changed; it may have closed this socket meanwhile.
    if (Watch* still = find_watch(socket, generation); still != nullptr) arm(socket, *still);
  }

  Watch* find_watch(curl_socket_t socket, std::uint64_t generation) {
    const auto found = watches_.find(socket);
    return found != watches_.end() && found->second.generation == generation ? &found->second : nullptr;
  }

  void set_timer(long timeout_ms) {
    ++timer_generation_;
    if (timeout_ms < 0) {
      timer_.cancel();
      return;
    }
    timer_.expires_after(std::chrono::milliseconds(timeout_ms));
    timer_.async_wait(
        [self = shared_from_this(), generation = timer_generation_](boost::system::error_code ec) {
          if (!ec && generation == self->timer_generation_) self->act(CURL_SOCKET_TIMEOUT, 0);
        });
  }

  static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
    static_cast<Impl*>(self)->watch(socket, what);
    return 0;
  }
  static int on_timer(CURLM*, long timeout_ms, void* self) {
    static_cast<Impl*>(self)->set_timer(timeout_ms);
    return 0;
  }

  asio::io_context& io_;
  asio::steady_timer timer_;
  std::uint64_t timer_generation_ = 0;
  const ClientOptions options_;
  CURLM* multi_ = nullptr;
  bool closed_ = false;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, Operation> operations_;
  std::unordered_map<CURL*, std::uint64_t> by_easy_;
  std::unordered_map<curl_socket_t, Watch> watches_;
};

HttpClient::HttpClient(asio::io_context& io, TlsSettings tls, std::string user_agent,
                       std::size_t max_connections, ProxySettings proxies)
    : impl_(std::make_shared<Impl>(io, options_of(std::move(tls), std::move(user_agent), std::move(proxies)),
                                   max_connections)) {}

HttpClient::~HttpClient() { impl_->close(); }

void HttpClient::shutdown() { impl_->close(); }

asio::awaitable<std::expected<HttpResponse, TransportError>> HttpClient::perform(HttpRequest request) {
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(HttpResult)>(
      [impl = impl_](auto handler, HttpRequest to_send) {
        impl->start(std::move(to_send), Completion(std::move(handler)));
      },
      asio::use_awaitable, std::move(request));
}

}  // namespace spanferry::net
