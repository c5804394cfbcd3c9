#include "uploader/databricks_table.hpp"

#include <algorithm>
#include <chrono>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "uploader/endpoint.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// These marks are forgotten later than those of the track, which are made later: a trace that the track knows
// and this does not is in experiment storage.
constexpr std::uint64_t kMaxMarksAhead = 10'000;
constexpr std::chrono::milliseconds kAfterReadError{1000};

}  // namespace

struct TableDelivery::Sending {
  GatheredTrace& gathered;
  const mlflow::TableLocation& location;
  TraceMark mark;
  mlflow::TraceInfo info{};
  UnsentRows::Found unsent{};
  std::vector<RefusedSpans> refused{};

  // The track remembers that.
  [[nodiscard]] bool info_was_told() const {
    return gathered.mark && (gathered.mark->has_root || gathered.mark->info_sent);
  }
  // What its client told has tags of its own, also where the trace was told by its spans before.
  [[nodiscard]] bool tags_were_told() const {
    return gathered.writes.info ? gathered.mark && gathered.mark->info_sent : info_was_told();
  }
  void all_went() {
    mark.last = std::max(mark.last, gathered.parts.back().seq);
    mark.left_out = unsent.left_out;
    mark.aside = unsent.aside;
  }
};

TableDelivery::TableDelivery(const TrackContext& context)
    : context_(context),
      calls_(context, Surface::databricks_api),
      requests_(context, calls_),
      unsent_(context),
      marks_(context.spool, context.settings.name + "#table", kMaxTraceMarks + kMaxMarksAhead) {}

void TableDelivery::stop() {
  calls_.sleeps().stop();
  requests_.stop();
}

bool TableDelivery::knows(const TraceId& trace) {
  const auto mark = marks_.load(trace);
  return mark && *mark;
}

asio::awaitable<std::expected<TraceOutcome, Verdict>> TableDelivery::deliver(
    GatheredTrace& gathered, const mlflow::TableLocation& location) {
  ++under_way_;
  auto outcome = co_await deliver_trace(gathered, location);
  // Nobody comes for the rest of the record.
  if (--under_way_ == 0) unsent_.forget();
  co_return outcome;
}

asio::awaitable<std::expected<TraceOutcome, Verdict>> TableDelivery::deliver_trace(
    GatheredTrace& gathered, const mlflow::TableLocation& location) {
  const auto mark = marks_.load(gathered.trace.id);
  Sending sending{gathered, location, mark && *mark ? **mark : TraceMark{}};
  sending.info = mlflow::trace_info(gathered.trace, mlflow::Flavor::databricks, context_.context);
  auto unsent = unsent_.of(gathered, sending.mark, metadata_of(sending), location);
  if (!unsent) co_return spool_failed(gathered, unsent.error());
  sending.unsent = *std::move(unsent);
  Verdict verdict = co_await send_spans(sending);
  if (verdict.action == Action::not_found) co_return std::unexpected(std::move(verdict));
  if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
  TraceOutcome outcome{TraceOutcome::Kind::delivered, {}, true, sending.mark.spans, sending.info_was_told()};
  outcome.refused_spans = std::move(sending.refused);
  outcome.refused_parts = std::move(sending.unsent.refused);
  // Nobody tells about a trace in such a table, so that nothing is left to wait for.
  if (location.path.empty()) outcome.has_root |= gathered.trace.root() != nullptr;
  verdict = co_await send_info(sending, outcome);
  if (verdict.action == Action::held) co_await remember_waiting(sending);
  if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
  // Its spans follow to where it was told, though none has come yet.
  if (outcome.info_sent && sending.mark.last == 0) {
    sending.all_went();
    co_await remember(gathered.trace.id, sending.mark);
  }
  ++context_.sender.health().delivered_traces;
  co_return outcome;
}

// Nothing of it is settled: it is gathered and looked at again.
TraceOutcome TableDelivery::spool_failed(const GatheredTrace& gathered, const Error& error) const {
  spdlog::error("destination {}: trace {}: {}", context_.settings.name, gathered.trace.id.hex(),
                error.sentence);
  TraceOutcome later;
  later.kind = TraceOutcome::Kind::later;
  later.again_in = kAfterReadError;
  return later;
}

const mlflow::TableSpans::Metadata& TableDelivery::metadata_of(const Sending& sending) {
  const auto& own = sending.gathered.writes.info;
  return own ? own->metadata : sending.info.metadata;
}

asio::awaitable<Verdict> TableDelivery::send_spans(Sending& sending) {
  Verdict verdict;
  verdict.action = Action::done;
  TraceMark& mark = sending.mark;
  const auto& copies = sending.unsent.copies;
  std::erase_if(mark.refused, [&copies](const SpanId& span) { return copies.contains(span); });
  std::uint64_t unknown = 0;  // refused, and nobody says which
  for (TableRows& rows : sending.unsent.requests) {
    mark.spans += rows.spans;
    TableAnswer answer = co_await requests_.send(sending.location.spans_table, std::move(rows));
    verdict = std::move(answer.verdict);
    if (verdict.action != Action::done) co_return verdict;
    for (RefusedSpans& refused : answer.refused) {
      mark.spans -= std::min(mark.spans, refused.spans);
      if (refused.span.is_zero() && unknown++ > 0) {
        // One letter for all of whom nothing is known: there is nothing in it that could be sent again.
        std::ranges::find_if(sending.refused, &SpanId::is_zero, &RefusedSpans::span)->spans += refused.spans;
        continue;
      }
      if (!refused.span.is_zero()) mark.refused.push_back(refused.span);
      if (const auto known = copies.find(refused.span); known != copies.end()) refused.spans = known->second;
      sending.refused.push_back(std::move(refused));
    }
  }
  if (copies.empty()) co_return verdict;
  sending.all_went();
  co_await remember(sending.gathered.trace.id, mark);
  co_return verdict;
}

// What is to be told about the trace; nothing: it is not ours to tell, or told already.
std::optional<std::string> TableDelivery::info_of(Sending& sending) const {
  const GatheredTrace& gathered = sending.gathered;
  if (sending.location.path.empty()) return std::nullopt;
  const auto tags = mlflow::WithTags(!sending.tags_were_told());
  if (const auto& own = gathered.writes.info) return table_info_body(*own, sending.location, tags);
  // Its scalars come from the one who saw the root, and never from less than is there.
  const bool knows_all =
      gathered.trace.root() != nullptr && gathered.trace.spans.size() >= sending.mark.spans;
  if (gathered.has_own_info() || !knows_all || sending.mark.spans == 0) return std::nullopt;
  const mlflow::SpansFile file = mlflow::spans_file(gathered.trace.spans);
  mlflow::add_size_stats(sending.info, file.span_sizes, file.body.size());
  return table_info_body(std::move(sending.info), gathered.trace.id, sending.location, tags);
}

// done: told, or refused for good; held; stopped.
asio::awaitable<Verdict> TableDelivery::send_info(Sending& sending, TraceOutcome& outcome) {
  Verdict done;
  done.action = Action::done;
  auto body = info_of(sending);
  if (!body) co_return done;
  const GatheredTrace& gathered = sending.gathered;
  net::HttpRequest request;
  request.url = join_url(context_.settings.url,
                         fmt::format("/api/4.0/mlflow/traces/{}/{}/info",
                                     percent_encode(sending.location.path), gathered.trace.id.hex()));
  request.headers.emplace_back("Content-Type", "application/json");
  request.body.push_back(std::make_shared<const std::string>(*std::move(body)));
  request.timeout = context_.settings.timeout;
  Verdict verdict = co_await calls_.send(Surface::databricks_api, std::move(request));
  // What waits goes as a whole. A span that the table refused is tried again with it; of those that nobody
  // can name there would be no letter then.
  const bool may_wait = outcome.refused_parts.empty() &&
                        std::ranges::none_of(outcome.refused_spans, &SpanId::is_zero, &RefusedSpans::span);
  if (verdict.action == Action::stopped || (verdict.action == Action::held && may_wait)) co_return verdict;
  if (verdict.action == Action::done || verdict.action == Action::exists) {
    outcome.has_root = true;
    outcome.info_sent = gathered.writes.info.has_value();
    outcome.tags_told = !sending.tags_were_told();
    co_return done;
  }
  // Its spans are there, and the table shows a trace by them alone.
  context_.sender.health().note_error(verdict.reason);
  spdlog::warn("destination {}: trace {}: {}; its spans are in {}, its request id and tags are not told",
               context_.settings.name, gathered.trace.id.hex(), verdict.reason, sending.location.spans_table);
  for (std::size_t i = 0; i < gathered.parts.size(); ++i)
    if (gathered.parts[i].header.kind == RecordKind::trace_info && !gathered.parts[i].settled)
      outcome.refused_parts.push_back({i, verdict});
  co_return done;
}

// What is in the log of it is about to be parked, though its spans are there.
asio::awaitable<void> TableDelivery::remember_waiting(Sending& sending) {
  auto& aside = sending.mark.aside;
  const std::size_t known = aside.size();
  for (const AsidePart& part : sending.unsent.waiting)
    if (std::ranges::find(aside, part) == aside.end()) aside.push_back(part);
  if (aside.size() > known) co_await remember(sending.gathered.trace.id, sending.mark);
}

// Returns when it is durable: a trace counts as under way until then. Also when we are stopping, so that the
// spool never calls back into a loop that is gone.
asio::awaitable<void> TableDelivery::remember(const TraceId& trace, TraceMark mark) {
  struct Wait {
    asio::steady_timer timer;
    bool is_over = false;
  };
  const auto wait =
      std::make_shared<Wait>(asio::steady_timer(context_.io, asio::steady_timer::time_point::max()));
  // What it holds dies on our thread.
  marks_.put(trace, mark, [io = &context_.io, held = wait](const Result<>& /*written*/) mutable {
    asio::post(*io, [wait = std::move(held)] {
      wait->is_over = true;
      wait->timer.cancel();
    });
  });
  while (!wait->is_over) co_await wait->timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace spanferry::uploader
