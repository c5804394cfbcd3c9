#include "uploader/databricks_table.hpp"

#include <algorithm>
#include <unordered_map>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "model/otlp_scan.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/span_file.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// These marks are forgotten later than those of the track, which are made later: a trace that the track knows
// and this does not is in experiment storage.
constexpr std::uint64_t kMaxMarksAhead = 10'000;

}  // namespace

struct TableDelivery::Sending {
  GatheredTrace& gathered;
  const mlflow::TableLocation& location;
  TraceMark mark;
  mlflow::TraceInfo info{};
  std::unordered_map<SpanId, std::uint64_t> copies{};  // of those to be sent: how often they came
  std::vector<RefusedSpans> refused{};
  std::vector<RefusedPart> refused_parts{};

  // The track remembers that.
  [[nodiscard]] bool info_was_told() const {
    return gathered.mark && (gathered.mark->has_root || gathered.mark->info_sent);
  }
  // It went out before, though the process then was not given the time to settle it.
  [[nodiscard]] bool was_sent(const TracePart& part) const {
    return part.settled || (!part.parked && part.seq <= mark.last);
  }
};

TableDelivery::TableDelivery(const TrackContext& context)
    : context_(context),
      calls_(context, Surface::databricks_api),
      requests_(context, calls_),
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
  if (--under_way_ == 0) last_ = {};
  co_return outcome;
}

asio::awaitable<std::expected<TraceOutcome, Verdict>> TableDelivery::deliver_trace(
    GatheredTrace& gathered, const mlflow::TableLocation& location) {
  const auto mark = marks_.load(gathered.trace.id);
  Sending sending{gathered, location, mark && *mark ? **mark : TraceMark{}};
  sending.info = mlflow::trace_info(gathered.trace, mlflow::Flavor::databricks, context_.context);
  Verdict verdict = co_await send_spans(sending);
  if (verdict.action == Action::not_found) co_return std::unexpected(std::move(verdict));
  if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
  TraceOutcome outcome{TraceOutcome::Kind::delivered, {}, true, sending.mark.spans, sending.info_was_told()};
  outcome.refused_spans = std::move(sending.refused);
  outcome.refused_parts = std::move(sending.refused_parts);
  if (!co_await send_info(sending, outcome)) co_return TraceOutcome{};
  ++context_.sender.health().delivered_traces;
  co_return outcome;
}

asio::awaitable<Verdict> TableDelivery::send_spans(Sending& sending) {
  Verdict verdict;
  verdict.action = Action::done;
  std::uint64_t unknown = 0;  // refused, and nobody says which
  std::vector<TableRows> all = rows_of(sending);
  for (TableRows& rows : all) {
    sending.mark.spans += rows.spans;
    TableAnswer answer = co_await requests_.send(sending.location.spans_table, std::move(rows));
    verdict = std::move(answer.verdict);
    if (verdict.action != Action::done) co_return verdict;
    for (RefusedSpans& refused : answer.refused) {
      sending.mark.spans -= std::min(sending.mark.spans, refused.spans);
      if (refused.span.is_zero() && unknown++ > 0) {
        // One letter for all of whom nothing is known: there is nothing in it that could be sent again.
        std::ranges::find_if(sending.refused, &SpanId::is_zero, &RefusedSpans::span)->spans += refused.spans;
        continue;
      }
      if (const auto copies = sending.copies.find(refused.span); copies != sending.copies.end())
        refused.spans = copies->second;
      sending.refused.push_back(std::move(refused));
    }
  }
  if (all.empty()) co_return verdict;
  sending.mark.last = std::max(sending.mark.last, sending.gathered.parts.back().seq);
  co_await remember(sending.gathered.trace.id, sending.mark);
  co_return verdict;
}

// A span that came twice goes once, the later copy; one that is in the table already stays as it is there.
std::vector<TableRows> TableDelivery::rows_of(Sending& sending) {
  const TraceId& trace = sending.gathered.trace.id;
  std::vector<std::shared_ptr<const std::string>> payloads;
  std::unordered_map<SpanId, std::size_t> winner;  // of the copies, by their place in all payloads
  std::unordered_map<SpanId, bool> there;
  std::size_t place = 0;
  for (std::size_t i = 0; i < sending.gathered.parts.size(); ++i) {
    const TracePart& part = sending.gathered.parts[i];
    if (!part.holds_spans() || !part.unreadable.empty()) continue;
    auto payload = payload_of(part);
    if (!payload) continue;
    const bool was_sent = sending.was_sent(part);
    filter_traces_request(*payload, [&](const TraceId& id, const SpanId& span) {
      if (id != trace) return false;
      if (was_sent) {
        there[span] = true;
      } else {
        winner[span] = place++;
        ++sending.copies[span];
      }
      return false;
    });
    if (!was_sent) payloads.push_back(std::move(payload));
  }
  const auto& own = sending.gathered.writes.info;
  const mlflow::TableSpans spans(sending.gathered.trace, own ? own->metadata : sending.info.metadata,
                                 sending.location);
  std::vector<TableRows> all;
  place = 0;
  for (const auto& payload : payloads) {
    std::uint64_t written = 0;
    std::string request = spans.write(*payload, [&](const SpanId& span) {
      const bool goes = winner.at(span) == place++ && !there.contains(span);
      written += goes ? 1 : 0;
      return goes;
    });
    if (written > 0) add_rows(all, {std::make_shared<const std::string>(std::move(request)), written});
  }
  return all;
}

void TableDelivery::add_rows(std::vector<TableRows>& all, TableRows rows) const {
  const std::size_t limit = context_.settings.max_batch_bytes;
  if (rows.request->size() > limit && rows.spans > 1) {
    add_rows(all, cut(rows, 0, rows.spans / 2));
    add_rows(all, cut(rows, rows.spans / 2, rows.spans));
  } else if (!all.empty() && all.back().request->size() + rows.request->size() <= limit) {
    all.back() = {std::make_shared<const std::string>(*all.back().request + *rows.request),
                  all.back().spans + rows.spans};
  } else {
    all.push_back(std::move(rows));
  }
}

// What is here of the trace, of a part that may hold others'.
std::shared_ptr<const std::string> TableDelivery::payload_of(const TracePart& part) {
  if (part.parked) return spans_of({part.seq, part.header, part.parked->payload});
  if (last_.seq != part.seq || !last_.payload) {
    auto record = context_.spool.get(part.seq);
    if (!record || !*record) return nullptr;
    last_ = **std::move(record);
  }
  return spans_of(last_);
}

std::shared_ptr<const std::string> TableDelivery::spans_of(const Record& record) const {
  if (record.header.kind != RecordKind::trace_data) return record.payload;
  auto request = otlp_of_span_file(context_.spool, record);
  return request ? std::make_shared<const std::string>(*std::move(request)) : nullptr;
}

// What is to be told about the trace; nothing: it is not ours to tell, or told already.
std::optional<std::string> TableDelivery::info_of(Sending& sending) const {
  const GatheredTrace& gathered = sending.gathered;
  if (sending.location.path.empty()) return std::nullopt;
  const auto tags = mlflow::WithTags(!sending.info_was_told());
  if (const auto& own = gathered.writes.info) return table_info_body(*own, sending.location, tags);
  // Its scalars come from the one who saw the root, and never from less than is there.
  const bool knows_all =
      gathered.trace.root() != nullptr && gathered.trace.spans.size() >= sending.mark.spans;
  if (gathered.has_own_info() || !knows_all || sending.mark.spans == 0) return std::nullopt;
  const mlflow::SpansFile file = mlflow::spans_file(gathered.trace.spans);
  mlflow::add_size_stats(sending.info, file.span_sizes, file.body.size());
  return table_info_body(std::move(sending.info), gathered.trace.id, sending.location, tags);
}

// False: we are stopping.
asio::awaitable<bool> TableDelivery::send_info(Sending& sending, TraceOutcome& outcome) {
  auto body = info_of(sending);
  if (!body) co_return true;
  const GatheredTrace& gathered = sending.gathered;
  net::HttpRequest request;
  request.url = join_url(context_.settings.url,
                         fmt::format("/api/4.0/mlflow/traces/{}/{}/info",
                                     percent_encode(sending.location.path), gathered.trace.id.hex()));
  request.headers.emplace_back("Content-Type", "application/json");
  request.body.push_back(std::make_shared<const std::string>(*std::move(body)));
  request.timeout = context_.settings.timeout;
  Verdict verdict = co_await calls_.send(Surface::databricks_api, std::move(request));
  if (verdict.action == Action::stopped) co_return false;
  if (verdict.action == Action::done || verdict.action == Action::exists) {
    outcome.has_root = true;
    outcome.info_sent = gathered.writes.info.has_value();
    outcome.tags_told = !sending.info_was_told();
    co_return true;
  }
  // Its spans are there, and the table shows a trace by them alone.
  context_.sender.health().note_error(verdict.reason);
  spdlog::warn("destination {}: trace {}: {}; its spans are in {}, its request id and tags are not told",
               context_.settings.name, gathered.trace.id.hex(), verdict.reason, sending.location.spans_table);
  for (std::size_t i = 0; i < gathered.parts.size(); ++i)
    if (gathered.parts[i].header.kind == RecordKind::trace_info && !gathered.parts[i].settled)
      outcome.refused_parts.push_back({i, verdict});
  co_return true;
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
