#include "uploader/trace_calls.hpp"

#include <fmt/format.h>

#include "model/json_writer.hpp"
#include "model/mlflow_span.hpp"
#include "net/backoff.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/gate.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// How often a 500 that nothing proves to be about the trace is sent again.
constexpr int kUnprovenRounds = 10;

}  // namespace

TraceCalls::TraceCalls(const TrackContext& context, Surface surface)
    : context_(context), surface_(surface), sleeps_(context.io) {}

asio::awaitable<Verdict> TraceCalls::send(Surface surface, net::HttpRequest request, Tries tries) {
  net::Backoff backoff({}, uniform_random);
  for (;;) {
    Verdict verdict = held_if_forbidden(co_await context_.sender.send(
        surface, [&request] { return request; },
        surface == Surface::storage ? Scope::destination : Scope::experiment, tries));
    if (verdict.action != Action::split || !verdict.unproven || backoff.failures() >= kUnprovenRounds)
      co_return verdict;
    context_.sender.health().enter(DestinationState::retrying, verdict.reason);
    if (!co_await sleeps_.sleep(backoff.next())) co_return Verdict{};
  }
}

asio::awaitable<Verdict> TraceCalls::call(std::string method, std::string path, std::string body,
                                          Tries tries) {
  net::HttpRequest request;
  request.method = std::move(method);
  request.url = join_url(context_.settings.url, path);
  request.timeout = context_.settings.timeout;
  if (!body.empty()) {
    request.headers.emplace_back("Content-Type", "application/json");
    request.body.push_back(std::make_shared<const std::string>(std::move(body)));
  }
  co_return co_await send(surface_, std::move(request), tries);
}

asio::awaitable<Verdict> TraceCalls::start_trace(std::string body) {
  co_return co_await call("POST", "/api/3.0/mlflow/traces", std::move(body));
}

asio::awaitable<Verdict> TraceCalls::trace_info(const TraceId& trace) {
  const std::string id = mlflow::trace_name_of(trace);
  co_return co_await call("GET", fmt::format("/api/3.0/mlflow/traces/{}?trace_id={}", id, id));
}

asio::awaitable<Verdict> TraceCalls::credentials(const TraceId& trace, Way way, const std::string& path) {
  co_return co_await call(
      "GET", fmt::format("/api/2.0/mlflow/traces/{}/credentials-for-data-{}{}{}",
                         mlflow::trace_name_of(trace), way == Way::upload ? "upload" : "download",
                         path.empty() ? "" : "?path=", percent_encode(path)));
}

asio::awaitable<Verdict> TraceCalls::change_tag(std::string method, const TraceId& trace, std::string body) {
  co_return co_await call(std::move(method),
                          fmt::format("/api/2.0/mlflow/traces/{}/tags", mlflow::trace_name_of(trace)),
                          std::move(body));
}

asio::awaitable<Verdict> TraceCalls::set_tag(const TraceId& trace, std::string_view key,
                                             std::string_view value) {
  std::string body;
  JsonWriter(body).begin_object().field("key", key).field("value", value).end_object();
  co_return co_await change_tag("PATCH", trace, std::move(body));
}

asio::awaitable<Verdict> TraceCalls::erase_tag(const TraceId& trace, std::string_view key) {
  std::string body;
  JsonWriter(body).begin_object().field("key", key).end_object();
  Verdict verdict = co_await change_tag("DELETE", trace, std::move(body));
  if (verdict.action == Action::not_found) verdict.action = Action::done;
  co_return verdict;
}

}  // namespace spanferry::uploader
