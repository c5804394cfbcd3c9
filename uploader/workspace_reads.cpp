#include "uploader/workspace_reads.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "uploader/databricks_storage.hpp"
#include "uploader/endpoint.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

// Every server that speaks MLflow's API has it, and it is cheap there.
constexpr std::string_view kProbePath = "/api/2.0/mlflow/experiments/search";
constexpr std::string_view kProbeBody = R"({"max_results":1})";

net::HttpRequest http_request(const DestinationSettings& settings, ReadRequest&& request) {
  net::HttpRequest http;
  http.method = std::move(request.method);
  http.url = join_url(settings.url, request.path);
  if (!request.body.empty()) {
    http.headers.emplace_back("Content-Type", "application/json");
    http.body = {std::make_shared<const std::string>(std::move(request.body))};
  }
  http.timeout = request.deadline;
  http.max_response_bytes = request.max_answer_bytes;
  return http;
}

Result<net::HttpRequest> behind(const DestinationSettings& settings, const net::HttpResponse& answer,
                                const net::HttpRequest& asked) {
  auto credential = parse_storage_credential(answer.body);
  if (!credential) return std::unexpected(std::move(credential.error()));
  if (!is_as_safe_as(settings.url, credential->url))
    return fail(ErrorKind::configuration, "the signed address is not https://, and is not used");
  net::HttpRequest http;
  http.method = "GET";
  http.url = std::move(credential->url);
  http.headers = std::move(credential->headers);
  http.timeout = asked.timeout;
  http.max_response_bytes = asked.max_response_bytes;
  return http;
}

// Whether such an answer says that the next one would be no better.
bool is_trouble(int status) {
  return status == 401 || status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

WorkspaceReads::WorkspaceReads(asio::io_context& io, const DestinationSettings& settings, HttpSender& sender,
                               ReadTuning tuning)
    : io_(io),
      settings_(settings),
      sender_(sender),
      tuning_(tuning),
      surface_(settings.kind == Kind::databricks ? Surface::databricks_api : Surface::mlflow_api),
      sleeps_(io) {}

ReadState WorkspaceReads::state() const {
  const Health& health = sender_.health();
  if (away_ || health.state() != DestinationState::ok) return ReadState::away;
  return answered_ || health.proven ? ReadState::ok : ReadState::unproven;
}

void WorkspaceReads::read(ReadRequest request, ReadHandler done) {
  if (const auto id = admit(request, done); !id) done(std::unexpected(id.error()));
}

// Posts under the lock: what is posted before refuse() is run before stop().
Result<WorkspaceReads::Id> WorkspaceReads::admit(ReadRequest& request, ReadHandler& done) {
  const std::lock_guard lock(mutex_);
  if (!request.path.starts_with('/'))
    return fail(ErrorKind::invalid_input, "a path to read begins with a slash");
  if (refusing_)
    return fail(ErrorKind::cancelled, fmt::format("destination {} is being stopped", settings_.name));
  if (waiting_.size() >= tuning_.most)
    return fail(ErrorKind::unavailable,
                fmt::format("{} reads from {} are under way", tuning_.most, settings_.url));
  const Id id = ++last_id_;
  waiting_.emplace(id, std::move(done));
  asio::post(io_, [this, id, request = std::move(request)]() mutable {
    expire_after(id, request.deadline);
    asio::co_spawn(io_, run(id, std::move(request)), asio::detached);
  });
  return id;
}

// Of all of it: the credential may have to be had first.
void WorkspaceReads::expire_after(Id id, milliseconds time) {
  auto timer = std::make_unique<asio::steady_timer>(io_, time);
  timer->async_wait([this, id](boost::system::error_code ec) {
    if (ec) return;
    const Result<net::HttpResponse> none =
        fail(ErrorKind::timeout, fmt::format("{} did not answer in time", settings_.url));
    learn(none);
    finish(id, std::unexpected(none.error()));
  });
  deadlines_.emplace(id, std::move(timer));
}

asio::awaitable<void> WorkspaceReads::run(Id id, ReadRequest request) {
  const bool behind_address = request.behind_signed_address;
  const net::HttpRequest http = http_request(settings_, std::move(request));
  auto answer = co_await sender_.ask(surface_, http);
  if (!deadlines_.contains(id)) co_return;  // it came too late
  learn(answer);
  if (behind_address && answer && answer->status == 200) {
    auto file = behind(settings_, *answer, http);
    if (!file) co_return finish(id, std::unexpected(std::move(file.error())));
    // What the storage says tells nothing of the workspace.
    answer = co_await sender_.ask(Surface::storage, *std::move(file));
    if (!deadlines_.contains(id)) co_return;
  }
  if (!answer) co_return finish(id, std::unexpected(answer.error()));
  std::string type(answer->header("content-type").value_or(""));
  finish(id, ReadAnswer{answer->status, std::move(type), std::move(answer->body)});
}

void WorkspaceReads::learn(const Result<net::HttpResponse>& answer) {
  if (!answer && (answer.error().kind == ErrorKind::cancelled || answer.error().kind == ErrorKind::too_large))
    return;
  if (answer && !is_trouble(answer->status)) {
    answered_ = true;
    return;
  }
  away_ = true;
  if (std::exchange(probing_, true)) return;
  asio::co_spawn(io_, probe(), asio::detached);
}

asio::awaitable<void> WorkspaceReads::probe() {
  net::Backoff backoff(tuning_.probe, uniform_random);
  while (co_await sleeps_.sleep(std::max(backoff.next(), tuning_.probe.initial / 2))) {
    const auto answer =
        co_await sender_.ask(surface_, http_request(settings_, {.method = "POST",
                                                                .path = std::string(kProbePath),
                                                                .body = std::string(kProbeBody),
                                                                .deadline = tuning_.probe_timeout}));
    if (!answer || is_trouble(answer->status)) continue;
    answered_ = true;
    away_ = false;
    break;
  }
  probing_ = false;
}

void WorkspaceReads::finish(Id id, Result<ReadAnswer> result) {
  deadlines_.erase(id);
  ReadHandler done;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return;
    done = std::move(found->second);
    waiting_.erase(found);
  }
  done(std::move(result));
}

void WorkspaceReads::refuse() {
  const std::lock_guard lock(mutex_);
  refusing_ = true;
}

void WorkspaceReads::stop() {
  sleeps_.stop();
  deadlines_.clear();
  abandon();
}

void WorkspaceReads::abandon() {
  std::map<Id, ReadHandler> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(waiting_);
  }
  for (auto& [id, done] : left)
    done(fail(ErrorKind::cancelled, fmt::format("destination {} is being stopped", settings_.name)));
}

}  // namespace spanferry::uploader
