// Sends a request until its answer is final. Retries with full-jitter backoff without an end, Retry-After,
// pauses on a refused credential or an unusable TLS set-up and the probing that ends them happen in here;
// callers see verdicts.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "net/http_client.hpp"
#include "uploader/health.hpp"
#include "uploader/settings.hpp"

namespace spanferry::uploader {

// Who answers: the same status means different things from different servers (docs/delivery.md holds the
// table).
enum class Surface : std::uint8_t {
  otlp,            // any OTLP/HTTP backend
  mlflow_otlp,     // an MLflow server's /v1/traces
  mlflow_api,      // an MLflow server's REST API
  databricks_api,  // a workspace's REST API
  storage,         // a signed URL of a cloud's object storage
};

// What a 403 may be about.
enum class Scope : std::uint8_t {
  destination,  // the credential: everything waits
  experiment,   // perhaps this experiment alone; where another call with the same credential is answered, the
                // verdict is Action::forbidden
};

// Whether a request may be sent again when nobody knows what became of it.
enum class Tries : std::uint8_t {
  endless,
  // One, and only while the gate is open: a caller who must look first whether it still holds gets
  // Action::again.
  one,
};

enum class Action : std::uint8_t {
  done,       // 2xx
  split,      // refused for something in it: send its parts alone; what cannot be split is a dead letter
  halve,      // 413: too large as a whole
  not_found,  // 404: the experiment (or what the path names) is not there
  exists,     // 409, RESOURCE_ALREADY_EXISTS
  forbidden,  // 403, and the credential is good: it is not allowed to do this (Scope::experiment alone)
  new_url,    // storage: the signed URL is no good any more
  fallback,   // 501, ENDPOINT_NOT_FOUND: this server has no such call
  again,      // Tries::one: not sent, or nobody knows what became of it; another try waits at the gate
  held,       // not now, and for this route alone: what comes of it waits, the others go on
  stopped,    // we are shutting down; nothing is known about the request
};

struct Verdict {
  Action action = Action::stopped;
  int status = 0;       // HTTP; 0: none
  std::string reason;   // a sentence for logs and dead letters
  std::string excerpt;  // of the answer, at most kMaxResponseExcerptBytes, without secrets
  // A 500 that may as well be an outage: nothing was accepted since this request was first tried. Do not make
  // a dead letter of it yet, send it again (a few times).
  bool unproven = false;
  std::chrono::steady_clock::time_point sent{};  // when the last try went
  net::HttpResponse response;                    // for done
};

// What is forbidden to us is held, by a caller who can hold a route.
inline Verdict held_if_forbidden(Verdict verdict) {
  if (verdict.action == Action::forbidden) verdict.action = Action::held;
  return verdict;
}

// Lives on the deliver thread.
class Sender {
 public:
  virtual ~Sender() = default;
  // `make` is called before each try; the Sender adds the credential (not for Surface::storage), User-Agent
  // and X-Spanferry-Hop. Waits at the gate while the destination is paused. Never returns for what can be
  // tried again, unless there is to be one try.
  virtual boost::asio::awaitable<Verdict> send(Surface surface, std::function<net::HttpRequest()> make,
                                               Scope scope = Scope::destination,
                                               Tries tries = Tries::endless) = 0;
  // Waits until sending makes sense: returns at once unless the destination is paused or backing off as a
  // whole. False: stopped.
  virtual boost::asio::awaitable<bool> open() = 0;
  // The destination cannot go on until an operator changes something (say what); probes by calling `probe`
  // (true: solved) with backoff and returns when it is. For what only a caller can know: an experiment linked
  // elsewhere, none configured.
  virtual boost::asio::awaitable<bool> pause_config(std::string reason,
                                                    std::function<boost::asio::awaitable<bool>()> probe) = 0;
  // Whether a trace that begins now would find few others waiting for their turn; `when_room`, of one
  // listener, is called when that changes from no to yes.
  [[nodiscard]] virtual bool has_room() const = 0;
  virtual void listen(std::function<void()> when_room) = 0;
  virtual Health& health() = 0;
};

}  // namespace spanferry::uploader
