#include "uploader/otlp_delivery.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "model/clock.hpp"
#include "model/cut.hpp"
#include "model/otlp_scan.hpp"
#include "net/backoff.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/gate.hpp"
#include "uploader/mlflow_files.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// How often a 500 that nothing proves to be about the span is sent again before the span is set aside.
constexpr int kUnprovenRounds = 20;
// A far side that takes no span of this size takes none of ours.
constexpr std::size_t kLeastTruncatedBytes = 4096;

bool is_json(const net::HttpResponse& response) {
  return response.header("content-type").value_or("").starts_with("application/json");
}

// For filter_traces_request: the spans of one trace with one of these ids (ascending).
auto is_span(const TraceId& trace, std::span<const SpanId> ids) {
  return [&trace, ids](const TraceId& t, const SpanId& s) {
    return t == trace && std::ranges::binary_search(ids, s);
  };
}

}  // namespace

OtlpDelivery::OtlpDelivery(const TrackContext& context, spool::Cursor& cursor)
    : context_(context),
      cursor_(cursor),
      surface_(context.settings.kind == Kind::mlflow ? Surface::mlflow_otlp : Surface::otlp),
      url_(otlp_traces_url(context.settings.url)),
      encoder_(context.settings.compression == "gzip"),
      sleeps_(context.io),
      files_(context.file_store == nullptr ? nullptr : std::make_unique<MlflowFiles>(context, cursor)) {}

OtlpDelivery::~OtlpDelivery() = default;

void OtlpDelivery::stop() {
  sleeps_.stop();
  if (files_) files_->stop();
}

asio::awaitable<void> OtlpDelivery::deliver(OtlpBatch batch) {
  Target target{batch.route, {}};
  if (context_.routes == nullptr) {
    co_await deliver_items(target, batch.items);
    co_return;
  }
  Reach reached = Reach::held;
  if (batch.entered || context_.routes->enter(batch.route))
    reached = co_await deliver_items(target, batch.items);
  if (reached == Reach::settled) context_.routes->accepted(batch.route);
  if (reached == Reach::stopped) context_.routes->left(batch.route);
  if (reached == Reach::held) park(batch.items);
}

asio::awaitable<OtlpDelivery::Reach> OtlpDelivery::deliver_items(Target& target,
                                                                 std::span<const Item> items) {
  if (context_.experiments != nullptr) {
    auto experiment = co_await context_.experiments->resolve(target.route);
    if (!experiment) {
      if (experiment.error().action == Action::stopped) co_return Reach::stopped;
      if (experiment.error().action == Action::held) {
        context_.routes->refused(target.route, experiment.error().reason);
        co_return Reach::held;
      }
      settle_dead(items, experiment.error());
      co_return Reach::settled;
    }
    target.experiment_id = std::move(experiment->id);
  }
  for (;;) {
    const Reach reached =
        goes_as_files() ? co_await deliver_files(target, items) : co_await deliver_spans(target, items);
    if (reached != Reach::files) co_return reached;
  }
}

asio::awaitable<OtlpDelivery::Reach> OtlpDelivery::deliver_spans(Target& target,
                                                                 std::span<const Item> items) {
  net::Backoff backoff({}, uniform_random);
  for (;;) {
    const Reach reached = co_await deliver_part(target, {items});
    if (reached != Reach::doubtful) co_return reached;
    if (backoff.failures() >= kUnprovenRounds) {
      target.proven = true;
      continue;
    }
    if (!co_await sleeps_.sleep(backoff.next())) co_return Reach::stopped;
  }
}

void OtlpDelivery::Settlement::add(const Item& item, spool::Settled settled) {
  if (!item.parked) {
    in_log.push_back(std::move(settled));
    return;
  }
  in_parked.emplace_back(*item.parked, settled.counts);
  in_parked.back().dead = std::move(settled.dead);
}

void OtlpDelivery::settle(Settlement settlement) {
  if (!settlement.in_log.empty()) cursor_.settle(std::move(settlement.in_log));
  if (!settlement.in_parked.empty()) cursor_.settle_parked(std::move(settlement.in_parked));
}

// What of them is not settled; what stands in the parked space stays there.
void OtlpDelivery::park(std::span<const Item> items) {
  Settlement settlement;
  for (const Item& item : items) {
    const Record& record = item.record;
    if (item.parked || cursor_.settled(record.seq)) continue;
    spool::Settled rest = spool::Settled::all(record, {});
    std::uint64_t unreadable = item.spans;
    const std::vector<TraceSpans> traces = traces_of(item);
    for (const TraceSpans& trace : traces) {
      unreadable -= std::min<std::uint64_t>(unreadable, trace.spans.size());
      if (cursor_.settled(record.seq, trace.trace)) continue;
      auto payload =
          traces.size() == 1
              ? item.payload
              : std::make_shared<const std::string>(filter_traces_request(
                    *item.payload, [&](const TraceId& t, const SpanId&) { return t == trace.trace; }));
      rest.parked.push_back(spool::parked_part(
          record, trace.trace, static_cast<std::uint32_t>(trace.spans.size()), std::move(payload)));
    }
    rest.counts[Outcome::lost] = unreadable;
    settlement.in_log.push_back(std::move(rest));
  }
  settle(std::move(settlement));
}

std::vector<OtlpDelivery::TraceSpans> OtlpDelivery::traces_of(const Item& item) {
  std::vector<TraceSpans> traces;
  std::unordered_map<TraceId, std::size_t> place;
  filter_traces_request(*item.payload, [&](const TraceId& trace, const SpanId& span) {
    const auto [found, is_new] = place.try_emplace(trace, traces.size());
    if (is_new) traces.push_back({trace, {}});
    traces[found->second].spans.push_back(span);
    return false;
  });
  return traces;
}

asio::awaitable<OtlpDelivery::Reach> OtlpDelivery::deliver_part(Target& target, Part part, bool whole_only) {
  Verdict verdict = co_await send(target, body_of(part));
  if (verdict.action == Action::stopped) co_return Reach::stopped;
  if (verdict.action == Action::held) {
    context_.routes->refused(target.route, std::move(verdict.reason));
    co_return Reach::held;
  }
  if (verdict.action == Action::fallback) co_return Reach::files;
  if (verdict.action == Action::done) {
    target.proven = true;
    note_takes_otlp();
    settle_part(part, verdict);
    co_return Reach::settled;
  }
  if (verdict.action == Action::not_found && part.traces.empty()) {
    settle_dead(part.items, verdict);
    co_return Reach::settled;
  }
  const bool doubtful = verdict.unproven && !target.proven;
  if (doubtful) context_.sender.health().enter(DestinationState::retrying, verdict.reason);
  if (doubtful && whole_only) co_return Reach::doubtful;
  co_return co_await divide(target, part, std::move(verdict), doubtful);
}

asio::awaitable<OtlpDelivery::Reach> OtlpDelivery::deliver_halves(Target& target, Part first, Part second) {
  const Reach reached = co_await deliver_part(target, first);
  if (reached != Reach::settled && reached != Reach::doubtful) co_return reached;
  if (reached == Reach::settled) co_return co_await deliver_part(target, second);
  // Does its neighbour fare better? If not, this may as well be an outage: nobody is to blame yet.
  const Reach neighbour = co_await deliver_part(target, second, true);
  if (neighbour != Reach::settled) co_return neighbour;
  co_return co_await deliver_part(target, first);
}

asio::awaitable<OtlpDelivery::Reach> OtlpDelivery::divide(Target& target, Part part, Verdict refused,
                                                          bool doubtful) {
  const auto halves = [](auto all) {
    return std::pair(all.first(all.size() / 2), all.subspan(all.size() / 2));
  };
  if (part.items.size() > 1) {
    const auto [first, second] = halves(part.items);
    co_return co_await deliver_halves(target, {first}, {second});
  }
  const Item& item = part.items[0];
  std::vector<TraceSpans> traces;
  if (part.traces.empty()) {
    traces = traces_of(item);
    part.traces = traces;
    if (traces.empty()) {
      settle_dead(part.items, refused);
      co_return Reach::settled;
    }
  }
  if (part.traces.size() > 1) {
    const auto [first, second] = halves(part.traces);
    co_return co_await deliver_halves(target, {part.items, first}, {part.items, second});
  }
  if (part.spans.empty()) co_return co_await divide_trace(target, part, std::move(refused), doubtful);
  if (part.spans.size() > 1) {
    const auto [first, second] = halves(part.spans);
    co_return co_await deliver_halves(target, {part.items, part.traces, first, part.outcome},
                                      {part.items, part.traces, second, part.outcome});
  }
  if (doubtful) co_return Reach::doubtful;
  target.proven = true;
  if (refused.action == Action::halve) {
    if (const auto reached = co_await deliver_truncated(target, part, refused)) co_return *reached;
  }
  const auto is_it = is_span(part.traces[0].trace, part.spans);
  const auto count = static_cast<std::uint32_t>(std::ranges::count(part.traces[0].spans, part.spans[0]));
  part.outcome->counts[Outcome::dead] += count;
  part.outcome->dead.push_back(letter(item, part.traces[0].trace, part.spans[0], count, refused,
                                      filter_traces_request(*item.payload, is_it)));
  co_return Reach::settled;
}

asio::awaitable<std::optional<OtlpDelivery::Reach>> OtlpDelivery::deliver_truncated(Target& target,
                                                                                    const Part& part,
                                                                                    Verdict& refused) {
  const auto copies = static_cast<std::uint64_t>(std::ranges::count(part.traces[0].spans, part.spans[0]));
  Health& health = context_.sender.health();
  const std::string payload =
      filter_traces_request(*part.items[0].payload, is_span(part.traces[0].trace, part.spans));
  const bool may_cut = context_.settings.when_too_large == WhenTooLarge::truncate;
  for (std::size_t limit = payload.size() / 2; may_cut && limit >= kLeastTruncatedBytes; limit /= 2) {
    auto cut = cut_traces_request(payload, limit);
    if (!cut) break;
    Verdict verdict = co_await send(target, encoder_.encode(*std::move(cut)));
    if (verdict.action == Action::stopped) co_return Reach::stopped;
    if (verdict.action == Action::held) {
      context_.routes->refused(target.route, std::move(verdict.reason));
      co_return Reach::held;
    }
    if (verdict.action == Action::done) {
      health.truncated_spans += copies;
      settle_part(part, verdict);
      co_return Reach::settled;
    }
    refused = std::move(verdict);
    if (refused.action != Action::halve) co_return std::nullopt;
  }
  health.too_large_spans += copies;
  refused.reason =
      fmt::format("a span of {} bytes is too large for the far side: {}", payload.size(), refused.reason);
  co_return std::nullopt;
}

asio::awaitable<OtlpDelivery::Reach> OtlpDelivery::divide_trace(Target& target, Part part, Verdict refused,
                                                                bool doubtful) {
  // Each id once: repeated spans are sent, and refused, together.
  std::vector<SpanId> ids = part.traces[0].spans;
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  TraceOutcome outcome;
  part.spans = ids;
  part.outcome = &outcome;
  const Reach reached = co_await divide(target, part, std::move(refused), doubtful);
  if (reached == Reach::settled) settle_trace(part.items[0], part.traces[0].trace, std::move(outcome));
  co_return reached;
}

Body OtlpDelivery::body_of(const Part& part) {
  if (part.traces.empty()) return encoder_.encode(part.items);
  const std::string& payload = *part.items[0].payload;
  if (!part.spans.empty())
    return encoder_.encode(filter_traces_request(payload, is_span(part.traces[0].trace, part.spans)));
  std::unordered_set<TraceId> wanted;
  for (const TraceSpans& trace : part.traces) wanted.insert(trace.trace);
  return encoder_.encode(filter_traces_request(
      payload, [&](const TraceId& trace, const SpanId&) { return wanted.contains(trace); }));
}

void OtlpDelivery::settle_part(const Part& part, const Verdict& verdict) {
  if (part.traces.empty()) {
    settle_delivered(part.items, verdict);
  } else if (part.spans.empty()) {
    for (const TraceSpans& trace : part.traces)
      settle_trace(part.items[0], trace.trace, {SpanCounts::of(Outcome::delivered, trace.spans.size()), {}});
  } else {
    part.outcome->counts[Outcome::delivered] += static_cast<std::uint64_t>(std::ranges::count_if(
        part.traces[0].spans, [&](const SpanId& id) { return std::ranges::binary_search(part.spans, id); }));
  }
}

asio::awaitable<Verdict> OtlpDelivery::send(Target& target, Body body) {
  int not_found = 0;
  for (;;) {
    Verdict verdict = co_await send_once(target, body);
    switch (verdict.action) {
      case Action::fallback:
        if (context_.file_store != nullptr) {
          note_takes_files(verdict);
          co_return verdict;
        }
        if (!co_await pause_unsupported()) co_return Verdict{};
        continue;
      case Action::not_found:
        if (!co_await find_experiment_again(target, ++not_found, verdict)) co_return verdict;
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
  const auto make = [this, &target, &body] {
    net::HttpRequest request;
    request.url = url_;
    request.headers.emplace_back("Content-Type", "application/x-protobuf");
    if (body.gzipped) request.headers.emplace_back("Content-Encoding", "gzip");
    if (!target.experiment_id.empty())
      request.headers.emplace_back("x-mlflow-experiment-id", target.experiment_id);
    request.body = body.pieces;
    return request;
  };
  const Scope scope = context_.routes == nullptr ? Scope::destination : Scope::experiment;
  co_return held_if_forbidden(co_await context_.sender.send(surface_, make, scope));
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
    const Action action = experiment.error().action;
    verdict = std::move(experiment.error());
    verdict.action = action == Action::stopped || action == Action::held ? action : Action::not_found;
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
      "{} answers 501, its store does not take spans (a file store?), and it keeps no artifacts; start it "
      "with "
      "a database, as by `mlflow server --backend-store-uri sqlite:///mlflow.db`, or with --serve-artifacts",
      url_);
  co_return co_await context_.sender.pause_config(reason, [this]() -> asio::awaitable<bool> {
    // An empty request is taken by a store that supports spans.
    const Verdict verdict = co_await send_once(Target{{}, "0"}, Body{});
    const bool taken = verdict.action != Action::fallback && verdict.action != Action::stopped;
    if (taken) note_takes_otlp();
    co_return taken;
  });
}

void OtlpDelivery::settle_delivered(std::span<const Item> items, const Verdict& verdict) {
  PartialSuccess partial;
  if (surface_ == Surface::otlp)
    partial = parse_partial_success(verdict.response.body, is_json(verdict.response));
  std::uint64_t sent = 0;
  for (const Item& item : items) sent += item.spans;
  const std::uint64_t rejected = std::min(partial.rejected_spans, sent);
  Settlement settlement;
  settlement.in_log.reserve(items.size());
  std::uint64_t left = rejected;
  for (const Item& item : items) {
    const std::uint64_t dead = std::min<std::uint64_t>(left, item.spans);
    left -= dead;
    SpanCounts counts = SpanCounts::of(Outcome::delivered, item.spans - dead);
    counts[Outcome::dead] = dead;
    spool::Settled settled = spool::Settled::all(item.record, counts);
    if (rejected > 0 && &item == items.data())
      settled.dead.push_back(partial_letter(item, static_cast<std::uint32_t>(rejected), verdict, partial));
    settlement.add(item, std::move(settled));
  }
  settle(std::move(settlement));
}

// Which ones they were the answer does not tell, so there is nothing that could be sent again.
spool::DeadLetter OtlpDelivery::partial_letter(const Item& first, std::uint32_t rejected,
                                               const Verdict& verdict, const PartialSuccess& partial) const {
  ++context_.sender.health().dead_letters;
  Verdict refused;
  refused.status = verdict.status;
  refused.reason = fmt::format("the destination took the batch without {} of its spans: {}", rejected,
                               partial.message.empty() ? "it gave no reason" : partial.message);
  refused.excerpt = partial.message;
  return letter(first, first.record.header.only_trace.value_or(TraceId{}), SpanId{}, rejected, refused, {});
}

void OtlpDelivery::settle_trace(const Item& item, const TraceId& trace, TraceOutcome outcome) {
  context_.sender.health().dead_letters += outcome.dead.size();
  Settlement settlement;
  settlement.add(item, {item.record.seq, item.record.header.span_count, item.record.header.trace_count, trace,
                        outcome.counts, std::move(outcome.dead)});
  settle(std::move(settlement));
}

void OtlpDelivery::settle_dead(std::span<const Item> items, const Verdict& verdict) {
  Settlement settlement;
  for (const Item& item : items) {
    const std::vector<TraceSpans> traces = traces_of(item);
    spool::Settled settled = spool::Settled::all(item.record, SpanCounts::of(Outcome::dead, item.spans));
    for (const TraceSpans& trace : traces)
      settled.dead.push_back(
          letter(item, trace.trace, SpanId{}, static_cast<std::uint32_t>(trace.spans.size()), verdict,
                 filter_traces_request(*item.payload,
                                       [&](const TraceId& t, const SpanId&) { return t == trace.trace; })));
    context_.sender.health().dead_letters += traces.size();
    settlement.add(item, std::move(settled));
  }
  settle(std::move(settlement));
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
  letter.refused_ns = unix_now_ns();
  letter.status = verdict.status;
  letter.reason = verdict.reason;
  letter.response_excerpt = verdict.excerpt;
  letter.payload = std::move(payload);
  return letter;
}

}  // namespace spanferry::uploader
