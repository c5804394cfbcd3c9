#include "uploader/mlflow_files.hpp"

#include <chrono>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "model/mlflow_json.hpp"
#include "uploader/endpoint.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxFileBytes = 512U << 20;
constexpr std::chrono::milliseconds kAfterReadError{1000};

Verdict refused(std::string reason) {
  Verdict verdict;
  verdict.action = Action::split;
  verdict.reason = std::move(reason);
  return verdict;
}

Verdict done() {
  Verdict verdict;
  verdict.action = Action::done;
  return verdict;
}

}  // namespace

MlflowFiles::MlflowFiles(const TrackContext& context, spool::Cursor& cursor)
    : context_(context),
      gatherer_(context.spool, cursor),
      calls_(context, Surface::mlflow_api),
      marks_(context.spool, context.settings.name + "#files"),
      end_at_start_(context.spool.end()),
      freed_(context.io) {}

void MlflowFiles::stop() {
  calls_.sleeps().stop();
  freed_.stop();
}

asio::awaitable<Verdict> MlflowFiles::put(TraceId trace) {
  while (!busy_.insert(trace).second)
    if (!co_await freed_.wait()) co_return Verdict{};
  Verdict verdict = co_await put_alone(trace);
  busy_.erase(trace);
  if (busy_.empty()) gatherer_.forget();
  freed_.notify();
  co_return verdict;
}

asio::awaitable<Verdict> MlflowFiles::put_alone(const TraceId& trace) {
  for (;;) {
    const auto mark = marks_.load(trace);
    std::vector<TracePart> parts;
    auto gathered = mark ? gatherer_.gather(trace, *mark, &parts)
                         : Result<std::optional<GatheredTrace>>(std::unexpected(mark.error()));
    if (gathered && !*gathered) co_return done();  // trimmed meanwhile: settled
    if (gathered) co_return co_await write(**gathered);
    if (gathered.error().kind == ErrorKind::too_large) co_return refused(gathered.error().sentence);
    spdlog::error("destination {}: trace {}: {}", context_.settings.name, trace.hex(),
                  gathered.error().sentence);
    if (!co_await calls_.sleeps().sleep(kAfterReadError)) co_return Verdict{};
  }
}

asio::awaitable<Verdict> MlflowFiles::write(const GatheredTrace& gathered) {
  if (gathered.trace.spans.empty()) co_return done();
  auto experiment = co_await context_.experiments->resolve(gathered.route);
  if (!experiment) co_return std::move(experiment.error());
  const TraceId& trace = gathered.trace.id;
  const std::string url =
      join_url(context_.settings.url,
               fmt::format("/api/2.0/mlflow-artifacts/artifacts/{}/traces/{}/artifacts/traces.json",
                           experiment->id, mlflow::trace_name_of(trace)));
  std::string body;
  std::size_t count = gathered.trace.spans.size();
  if (may_be_more_there(gathered)) {
    std::vector<mlflow::StoredSpan> spans;
    Verdict verdict = co_await read(url, spans);
    if (verdict.action != Action::done) co_return verdict;
    mlflow::merge_spans(spans, gathered.trace.spans);
    count = spans.size();
    body = mlflow::spans_file(spans).body;
  } else {
    const auto& file = gathered.writes.only_file;
    body = file ? *file : mlflow::spans_file(gathered.trace.spans).body;
  }
  net::HttpRequest request;
  request.method = "PUT";
  request.url = url;
  request.headers.emplace_back("Content-Type", "text/plain");
  request.body.push_back(std::make_shared<const std::string>(std::move(body)));
  request.timeout = context_.settings.timeout;
  Verdict verdict = co_await calls_.send(Surface::mlflow_api, std::move(request));
  if (verdict.action == Action::done) marks_.put(trace, {.spans = count, .last = gathered.parts.back().seq});
  co_return verdict;
}

// By the process before, by another daemon that has the root, or by us, of what the spool no longer holds.
bool MlflowFiles::may_be_more_there(const GatheredTrace& gathered) const {
  const mlflow::StoredSpan* root = gathered.trace.root();
  return gathered.mark || gathered.parts.front().seq < end_at_start_ || root == nullptr;
}

asio::awaitable<Verdict> MlflowFiles::read(const std::string& url, std::vector<mlflow::StoredSpan>& spans) {
  net::HttpRequest request;
  request.method = "GET";
  request.url = url;
  request.timeout = context_.settings.timeout;
  request.max_response_bytes = kMaxFileBytes;
  Verdict verdict = co_await calls_.send(Surface::mlflow_api, std::move(request));
  if (verdict.action == Action::not_found) co_return done();
  if (verdict.action != Action::done) co_return verdict;
  auto there = mlflow::parse_spans_file(verdict.response.body);
  if (!there)
    co_return refused(fmt::format(
        "the span file that the server holds for this trace cannot be read, and is not replaced: {}",
        there.error().sentence));
  spans = *std::move(there);
  co_return done();
}

}  // namespace spanferry::uploader
