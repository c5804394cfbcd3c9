#include "uploader/otlp_delivery.hpp"

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "model/otlp_scan.hpp"
#include "net/backoff.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/gate.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// How often a 500 that nothing proves to be about the span is sent again before the span is set aside.
constexpr int kUnprovenRounds = 10;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool is_json(const net::HttpResponse& response) {
  return response.header("content-type").value_or("").starts_with("application/json");
}

}  // namespace

OtlpDelivery::OtlpDelivery(const TrackContext& context, spool::Cursor& cursor)
    : context_(context),
      cursor_(cursor),
      surface_(context.settings.kind == Kind::mlflow ? Surface::mlflow_otlp : Surface::otlp),
      url_(otlp_traces_url(context.settings.url)),
      encoder_(context.settings.compression == "gzip"),
      sleeps_(context.io) {}

asio::awaitable<void> OtlpDelivery::deliver(OtlpBatch batch) {
  Target target{batch.route, {}};
  if (context_.experiments != nullptr) {
    auto experiment = co_await context_.experiments->resolve(batch.route);
    if (!experiment) {
      if (experiment.error().action != Action::stopped) settle_dead(batch.items, experiment.error());
      co_return;
    }
    target.experiment_id = std::move(experiment->id);
  }
  co_await deliver_items(target, batch.items);
}

asio::awaitable<bool> OtlpDelivery::deliver_items(Target& target, std::span<const Item> items) {
  const Verdict verdict =
      co_await send(target, encoder_.encode(items), items.size() == 1 && items[0].spans <= 1);
  switch (verdict.action) {
    case Action::stopped:
      co_return false;
    case Action::done:
      settle_delivered(items, verdict);
      co_return true;
    case Action::not_found:
      settle_dead(items, verdict);
      co_return true;
    default:
      break;
  }
  if (items.size() == 1) co_return co_await isolate(target, items[0], verdict);
  const std::size_t half = items.size() / 2;
  if (!co_await deliver_items(target, items.first(half))) co_return false;
  co_return co_await deliver_items(target, items.subspan(half));
}

asio::awaitable<bool> OtlpDelivery::isolate(Target& target, const Item& item, Verdict refused) {
  std::vector<TraceSpans> traces;
  std::unordered_map<TraceId, std::size_t> place;
  filter_traces_request(*item.payload, [&](const TraceId& trace, const SpanId& span) {
    const auto [found, is_new] = place.try_emplace(trace, traces.size());
    if (is_new) traces.push_back({trace, {}});
    traces[found->second].spans.push_back(span);
    return false;
  });
  if (traces.empty()) {
    settle_dead(std::span(&item, 1), refused);
    co_return true;
  }
  if (traces.size() == 1) co_return co_await isolate_trace(target, item, traces[0], std::move(refused));
  const std::span<const TraceSpans> all(traces);
  const std::size_t half = all.size() / 2;
  if (!co_await deliver_traces(target, item, all.first(half))) co_return false;
  co_return co_await deliver_traces(target, item, all.subspan(half));
}

asio::awaitable<bool> OtlpDelivery::deliver_traces(Target& target, const Item& item,
                                                   std::span<const TraceSpans> traces) {
  std::unordered_set<TraceId> wanted;
  for (const TraceSpans& trace : traces) wanted.insert(trace.trace);
  Body body = encoder_.encode(filter_traces_request(
      *item.payload, [&](const TraceId& trace, const SpanId&) { return wanted.contains(trace); }));
  const Verdict verdict =
      co_await send(target, std::move(body), traces.size() == 1 && traces[0].spans.size() == 1);
  if (verdict.action == Action::stopped) co_return false;
  if (verdict.action == Action::done) {
    for (const TraceSpans& trace : traces)
      settle_trace(item, trace.trace, {SpanCounts::of(Outcome::delivered, trace.spans.size()), {}});
    co_return true;
  }
  if (traces.size() == 1) co_return co_await isolate_trace(target, item, traces[0], verdict);
  const std::size_t half = traces.size() / 2;
  if (!co_await deliver_traces(target, item, traces.first(half))) co_return false;
  co_return co_await deliver_traces(target, item, traces.subspan(half));
}

asio::awaitable<bool> OtlpDelivery::isolate_trace(Target& target, const Item& item, const TraceSpans& trace,
                                                  Verdict refused) {
  // Each id once: repeated spans are sent, and refused, together.
  std::vector<SpanId> ids = trace.spans;
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  TraceOutcome outcome;
  if (ids.size() == 1) {
    const auto spans = static_cast<std::uint32_t>(trace.spans.size());
    outcome.counts[Outcome::dead] = spans;
    outcome.dead.push_back(letter(item, trace.trace, ids[0], spans, refused,
                                  filter_traces_request(*item.payload, [&](const TraceId& t, const SpanId&) {
                                    return t == trace.trace;
                                  })));
  } else {
    const std::span<const SpanId> all(ids);
    const std::size_t half = all.size() / 2;
    if (!co_await deliver_spans(target, item, trace.trace, all.first(half), outcome)) co_return false;
    if (!co_await deliver_spans(target, item, trace.trace, all.subspan(half), outcome)) co_return false;
  }
  settle_trace(item, trace.trace, std::move(outcome));
  co_return true;
}

asio::awaitable<bool> OtlpDelivery::deliver_spans(Target& target, const Item& item, const TraceId& trace,
                                                  std::span<const SpanId> spans, TraceOutcome& outcome) {
  std::uint32_t count = 0;
  std::string payload = filter_traces_request(*item.payload, [&](const TraceId& t, const SpanId& s) {
    const bool keep = t == trace && std::ranges::binary_search(spans, s);
    count += keep ? 1 : 0;
    return keep;
  });
  const Verdict verdict = co_await send(target, encoder_.encode(payload), spans.size() == 1);
  if (verdict.action == Action::stopped) co_return false;
  if (verdict.action == Action::done) {
    outcome.counts[Outcome::delivered] += count;
    co_return true;
  }
  if (spans.size() == 1) {
    outcome.counts[Outcome::dead] += count;
    outcome.dead.push_back(letter(item, trace, spans[0], count, verdict, std::move(payload)));
    co_return true;
  }
  const std::size_t half = spans.size() / 2;
  if (!co_await deliver_spans(target, item, trace, spans.first(half), outcome)) co_return false;
  co_return co_await deliver_spans(target, item, trace, spans.subspan(half), outcome);
}

asio::awaitable<Verdict> OtlpDelivery::send(Target& target, Body body, bool is_last) {
  net::Backoff backoff({}, uniform_random);
  int not_found = 0;
  for (;;) {
    Verdict verdict = co_await send_once(target, body);
    switch (verdict.action) {
      case Action::fallback:
        if (!co_await pause_unsupported()) co_return Verdict{};
        continue;
      case Action::not_found:
        if (!co_await find_experiment_again(target, ++not_found, verdict)) co_return verdict;
        continue;
      case Action::split:
        if (!is_last || !verdict.unproven || backoff.failures() >= kUnprovenRounds) co_return verdict;
        context_.sender.health().enter(DestinationState::retrying, verdict.reason);
        if (!co_await sleeps_.sleep(backoff.next())) co_return Verdict{};
        continue;
      case Action::exists:
      case Action::new_url:
        verdict.action = Action::split;
        co_return verdict;
      default:
        co_return verdict;
    }
  }
}

asio::awaitable<Verdict> OtlpDelivery::send_once(const Target& target, const Body& body) {
  co_return co_await context_.sender.send(surface_, [this, &target, &body] {
    net::HttpRequest request;
    request.url = url_;
    request.headers.emplace_back("Content-Type", "application/x-protobuf");
    if (body.gzipped) request.headers.emplace_back("Content-Encoding", "gzip");
    if (!target.experiment_id.empty())
      request.headers.emplace_back("x-mlflow-experiment-id", target.experiment_id);
    request.body = body.pieces;
    return request;
  });
}

asio::awaitable<bool> OtlpDelivery::find_experiment_again(Target& target, int times, Verdict& verdict) {
  if (context_.experiments == nullptr) {
    verdict.action = Action::split;
    co_return false;
  }
  const std::string reason = fmt::format("experiment {} is gone at {}; create it, or name another one",
                                         target.experiment_id, context_.settings.url);
  context_.experiments->forget(target.route);
  auto experiment = co_await context_.experiments->resolve(target.route);
  if (!experiment) {
    const bool is_stopped = experiment.error().action == Action::stopped;
    verdict = std::move(experiment.error());
    verdict.action = is_stopped ? Action::stopped : Action::not_found;
    co_return false;
  }
  target.experiment_id = experiment->id;
  if (times <= 1) co_return true;
  // The server finds the experiment and yet refuses its spans: only sending again can tell when that ends.
  int rounds = 0;
  const bool go_on = co_await context_.sender.pause_config(
      reason, [&rounds]() -> asio::awaitable<bool> { co_return ++rounds > 0; });
  if (!go_on) verdict = Verdict{};
  co_return go_on;
}

asio::awaitable<bool> OtlpDelivery::pause_unsupported() {
  const std::string reason = fmt::format(
      "{} answers 501: its store does not take spans (a file store?); start it with a database, as by "
      "`mlflow server --backend-store-uri sqlite:///mlflow.db`",
      url_);
  co_return co_await context_.sender.pause_config(reason, [this]() -> asio::awaitable<bool> {
    // An empty request is taken by a store that supports spans.
    const Verdict verdict = co_await send_once(Target{{}, "0"}, Body{});
    co_return verdict.action != Action::fallback&& verdict.action != Action::stopped;
  });
}

void OtlpDelivery::settle_delivered(std::span<const Item> items, const Verdict& verdict) {
  PartialSuccess partial;
  if (surface_ == Surface::otlp)
    partial = parse_partial_success(verdict.response.body, is_json(verdict.response));
  std::vector<spool::Settled> settled;
  settled.reserve(items.size());
  std::uint64_t rejected = 0;
  for (const Item& item : items) {
    const std::uint64_t dead = std::min<std::uint64_t>(partial.rejected_spans - rejected, item.spans);
    SpanCounts counts = SpanCounts::of(Outcome::delivered, item.spans - dead);
    counts[Outcome::dead] = dead;
    rejected += dead;
    settled.push_back(spool::Settled::all(item.record, counts));
  }
  if (rejected > 0) {
    // Which ones they were the answer does not tell, so there is nothing that could be sent again.
    Verdict refused;
    refused.status = verdict.status;
    refused.reason = fmt::format("the destination took the batch without {} of its spans: {}", rejected,
                                 partial.message.empty() ? "it gave no reason" : partial.message);
    refused.excerpt = partial.message;
    settled.front().dead.push_back(letter(items.front(),
                                          items.front().record.header.only_trace.value_or(TraceId{}),
                                          SpanId{}, static_cast<std::uint32_t>(rejected), refused, {}));
    ++context_.sender.health().dead_letters;
  }
  cursor_.settle(std::move(settled));
}

void OtlpDelivery::settle_trace(const Item& item, const TraceId& trace, TraceOutcome outcome) {
  context_.sender.health().dead_letters += outcome.dead.size();
  std::vector<spool::Settled> settled;
  settled.push_back({item.record.seq, item.record.header.span_count, item.record.header.trace_count, trace,
                     outcome.counts, std::move(outcome.dead)});
  cursor_.settle(std::move(settled));
}

void OtlpDelivery::settle_dead(std::span<const Item> items, const Verdict& verdict) {
  std::vector<spool::Settled> settled;
  for (const Item& item : items) {
    std::unordered_map<TraceId, std::uint32_t> traces;
    filter_traces_request(*item.payload, [&](const TraceId& trace, const SpanId&) {
      ++traces[trace];
      return false;
    });
    settled.push_back(spool::Settled::all(item.record, SpanCounts::of(Outcome::dead, item.spans)));
    for (const auto& [trace, spans] : traces)
      settled.back().dead.push_back(letter(
          item, trace, SpanId{}, spans, verdict,
          filter_traces_request(*item.payload, [&](const TraceId& t, const SpanId&) { return t == trace; })));
    context_.sender.health().dead_letters += traces.size();
  }
  cursor_.settle(std::move(settled));
}

spool::DeadLetter OtlpDelivery::letter(const Item& item, const TraceId& trace, const SpanId& span,
                                       std::uint32_t spans, const Verdict& verdict,
                                       std::string payload) const {
  spool::DeadLetter letter;
  letter.destination = context_.settings.name;
  letter.seq = item.record.seq;
  letter.trace_id = trace;
  letter.span_id = span;
  letter.spans = spans;
  letter.kind = item.record.header.kind;
  letter.route = item.record.header.route;
  letter.received_ns = item.record.header.received_ns;
  letter.refused_ns = now_ns();
  letter.status = verdict.status;
  letter.reason = verdict.reason;
  letter.response_excerpt = verdict.excerpt;
  letter.payload = std::move(payload);
  return letter;
}

}  // namespace spanferry::uploader
