#include "uploader/trace_track.hpp"

#include <algorithm>
#include <exception>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "uploader/assembler.hpp"
#include "uploader/trace_headings.hpp"
#include "uploader/trace_parking.hpp"
#include "uploader/waits.hpp"
#include "uploader/written.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using spool::Settled;

constexpr std::size_t kMaxOpenTraces = 10'000;
constexpr Seq kMaxAheadRecords = 16'384;
constexpr std::size_t kReadBytes = 1U << 20;
constexpr std::size_t kReadRecords = 256;
// Traces are gathered while those under way take less than this, so that it is exceeded by one at most.
constexpr std::size_t kMaxBytesUnderWay = 32U << 20;
constexpr milliseconds kAfterError{1000};
constexpr milliseconds kNotReady{50};
constexpr int kMaxNotReady = 64;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// When something was received, on the clock that does not jump.
Time steady_time_of(std::int64_t received_ns) {
  const std::int64_t age = std::max<std::int64_t>(0, now_ns() - received_ns);
  return Clock::now() - std::chrono::nanoseconds(age);
}

void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

class TraceTrack final : public Track {
 public:
  TraceTrack(const TrackContext& context, spool::Cursor& cursor, bool writes_dead_letters,
             std::unique_ptr<TraceDelivery> delivery)
      : context_(context),
        cursor_(cursor),
        writes_dead_letters_(writes_dead_letters),
        delivery_(std::move(delivery)),
        concurrency_(std::max<std::size_t>(1, context.settings.concurrency)),
        assembler_(context.settings.assemble, kMaxOpenTraces),
        gatherer_(context.spool, cursor),
        parking_(context, cursor),
        marks_(context.spool, cursor.name()),
        next_(cursor.position()),
        end_at_start_(context.spool.end()),
        changed_(context.io),
        sleeps_(context.io),
        due_(context.io),
        remembered_(context.io, asio::steady_timer::time_point::max()) {
    if (context.routes == nullptr) return;
    context.routes->listen([this] {
      parking_.look();
      changed_.notify();
    });
  }

  void start() override { asio::co_spawn(context_.io, run(), rethrow); }
  void records_arrived() override {
    parking_.records_arrived();
    changed_.notify();
  }
  void drain() override {
    assembler_.drain();
    changed_.notify();
  }
  void stop() override {
    changed_.stop();
    sleeps_.stop();
    due_.cancel();
    delivery_->stop();
  }
  spool::Cursor& cursor() override { return cursor_; }
  [[nodiscard]] bool settled(Seq seq, const TraceId& trace) const override {
    return cursor_.settled(seq, trace) && !is_parked(cursor_, seq, trace);
  }

 private:
  asio::awaitable<void> run() {
    while (!changed_.stopped() && co_await context_.sender.open()) {
      const auto walked = walk();
      if (!walked) {
        spdlog::error("destination {}: the spool cannot be read: {}", context_.settings.name,
                      walked.error().sentence);
        if (!co_await sleeps_.sleep(kAfterError)) co_return;
        continue;
      }
      launch();
      if (*walked) {
        co_await asio::post(context_.io, asio::use_awaitable);  // others have their turn
      } else {
        arm_timer();
        if (assembler_.size() == 0) gatherer_.forget();
        if (!co_await changed_.wait()) co_return;
      }
    }
  }

  void arm_timer() {
    const auto due = assembler_.next_due();
    // With no room for more under way, it is their end that wakes us.
    if (!due || !has_room()) return;
    due_.expires_at(std::max({*due, ask_again_, Clock::now()}));
    due_.async_wait([this](const boost::system::error_code& error) {
      if (!error) changed_.notify();
    });
  }

  // ahead of what is settled, to see which traces there are

  // True: there may be more to see.
  Result<bool> walk() {
    auto parked = parking_.note_some(assembler_);
    if (!parked || *parked) return parked;
    if (!assembler_.full()) {
      auto moved = parking_.park_laggards(assembler_, next_, Clock::now());
      if (!moved || *moved) return moved;
    }
    if (assembler_.full() || next_ > cursor_.position() + kMaxAheadRecords) {
      // Nothing moves by itself: the oldest traces go early. What comes of them later is merged.
      const bool idle = assembler_.next_due().value_or(Time::min()) > Clock::now();
      for (std::size_t n = under_way_; idle && n < concurrency_; ++n) assembler_.hurry_oldest();
      return false;
    }
    const auto batch = context_.spool.read(next_, kReadBytes, kReadRecords);
    if (!batch) return std::unexpected(batch.error());
    for (const spool::Gap& gap : batch->gaps) cursor_.settle(gap);
    std::size_t bytes = 0;
    for (const Record& record : batch->records) {
      note(record);
      bytes += record.payload->size();
    }
    next_ = batch->next;
    parking_.walked(next_, bytes);
    return !batch->records.empty();
  }

  void note(const Record& record) {
    const bool from_before = record.seq < end_at_start_;
    if (from_before && cursor_.settled(record.seq)) return;
    const RecordHeader& header = record.header;
    if (header.kind != RecordKind::spans || header.span_count == 0) {
      cursor_.settle({Settled::all(record, SpanCounts::of(Outcome::not_applicable, header.span_count))});
      return;
    }
    const auto headings = trace_headings(*record.payload);
    if (!headings || headings->empty()) {
      settle_unreadable(record, headings ? "no span in it has readable ids" : headings.error().sentence);
      return;
    }
    const Time received = steady_time_of(header.received_ns);
    for (const TraceHeading& heading : *headings) {
      if (from_before && cursor_.settled(record.seq, heading.trace)) continue;
      assembler_.note(heading.trace, record.seq, heading.top_ended, received, header.route);
    }
  }

  // traces under way

  [[nodiscard]] bool has_room() const {
    return under_way_ < concurrency_ && bytes_under_way_ < kMaxBytesUnderWay;
  }

  void launch() {
    int not_ready = 0;
    while (has_room() && !changed_.stopped() && Clock::now() >= ask_again_) {
      const auto due = assembler_.take(Clock::now());
      if (!due) return;
      const bool ready = delivery_->ready(due->trace, due->first);
      if (!ready && context_.routes != nullptr && context_.routes->any()) {
        // What it waits for may be held.
        gather(due->trace, false);
      } else if (!ready) {
        assembler_.put_back(due->trace, Clock::now() + kNotReady);
        // Thousands may wait for the same outage to end.
        if (++not_ready >= kMaxNotReady) ask_again_ = Clock::now() + kNotReady;
      } else {
        gather(due->trace, true);
      }
    }
  }

  void gather(const TraceId& id, bool ready) {
    const auto mark = marks_.load(id);
    std::vector<TracePart> parts;
    auto gathered = mark ? gatherer_.gather(id, *mark, &parts)
                         : Result<std::optional<GatheredTrace>>(std::unexpected(mark.error()));
    if (!gathered) return cannot_gather(id, gathered.error(), parts);
    if (!*gathered) return assembler_.done(id, next_);  // trimmed or lost meanwhile
    auto trace = std::make_shared<GatheredTrace>(**std::move(gathered));
    if (trace->settled()) return assembler_.done(id, trace->parts.back().seq);
    if (!assembler_.still_due(id, trace->parts.back().seq, trace->top_ended,
                              steady_time_of(trace->last_received_ns), Clock::now()))
      return;
    HeldRoutes* routes = context_.routes;
    const bool held =
        routes != nullptr && (ready ? !routes->enter(trace->route) : routes->holds(trace->route));
    if (!ready && !held) return assembler_.put_back(id, Clock::now() + kNotReady);
    ++under_way_;
    bytes_under_way_ += trace->bytes;
    asio::co_spawn(context_.io, held ? set_aside(std::move(trace)) : deliver(std::move(trace)), rethrow);
  }

  asio::awaitable<void> set_aside(std::shared_ptr<GatheredTrace> trace) {
    parking_.set_aside(*trace);
    co_await written(context_.io, cursor_);
    assembler_.done(trace->trace.id, trace->parts.back().seq);
    ended(*trace);
  }

  void ended(const GatheredTrace& trace) {
    --under_way_;
    bytes_under_way_ -= trace.bytes;
    changed_.notify();
  }

  void cannot_gather(const TraceId& id, const Error& error, const std::vector<TracePart>& parts) {
    if (error.kind != ErrorKind::too_large) {
      spdlog::error("destination {}: trace {}: {}", context_.settings.name, id.hex(), error.sentence);
      assembler_.put_back(id, Clock::now() + kAfterError);
      return;
    }
    Verdict verdict;
    verdict.action = Action::split;
    verdict.reason = error.sentence;
    settle_refused(id, parts, verdict);
    assembler_.done(id, parts.back().seq);
  }

  asio::awaitable<void> deliver(std::shared_ptr<GatheredTrace> trace) {
    const TraceId id = trace->trace.id;
    const std::size_t bytes = trace->bytes;  // as it was gathered
    const Seq last = trace->parts.back().seq;
    TraceOutcome outcome;
    if (trace->uploaded()) {
      // The process before was not given the time to settle it.
      outcome = {TraceOutcome::Kind::delivered, {}, false, trace->mark->spans, trace->mark->has_root};
    } else {
      outcome = co_await delivery_->deliver(*trace);
    }
    if (HeldRoutes* routes = context_.routes; routes != nullptr) {
      if (outcome.kind == TraceOutcome::Kind::delivered) {
        routes->accepted(trace->route);
      } else if (outcome.kind == TraceOutcome::Kind::held) {
        routes->refused(trace->route, outcome.refusal.reason);
      } else {
        routes->left(trace->route);
      }
    }
    switch (outcome.kind) {
      case TraceOutcome::Kind::stopped:
        co_return;
      case TraceOutcome::Kind::held:
        trace->bytes = bytes;
        co_await set_aside(std::move(trace));
        co_return;
      case TraceOutcome::Kind::later:
        assembler_.put_back(id, Clock::now() + kNotReady);
        break;
      case TraceOutcome::Kind::refused:
        settle_refused(id, trace->parts, outcome.refusal);
        assembler_.done(id, last);
        break;
      case TraceOutcome::Kind::delivered:
        settle(id, trace->parts, Outcome::delivered, letters_of(*trace, outcome));
        if (outcome.told)
          co_await remember(
              id, {outcome.spans, std::max(last, trace->mark ? trace->mark->last : 0), outcome.has_root});
        assembler_.done(id, last);
        break;
    }
    if (outcome.kind != TraceOutcome::Kind::later) parking_.note_again(assembler_, id);
    trace->bytes = bytes;
    ended(*trace);
  }

  // The trace counts as under way until that is durable: after a kill no more than these are sent again. Also
  // when we are stopping, so that the spool never calls back into a loop that is gone.
  asio::awaitable<void> remember(TraceId id, TraceMark mark) {
    const auto durable = std::make_shared<bool>(false);
    marks_.put(id, mark, [this, durable](const Result<>& /*written*/) {
      asio::post(context_.io, [this, durable] {
        *durable = true;
        remembered_.cancel();
      });
    });
    while (!*durable) co_await remembered_.async_wait(asio::as_tuple(asio::use_awaitable));
  }

  // what became of them

  // Spans of dead letters are dead, whatever became of the others.
  void settle(const TraceId& id, const std::vector<TracePart>& parts, Outcome outcome,
              std::vector<spool::DeadLetter> dead) {
    std::vector<Settled> settled;
    std::vector<spool::SettledParked> settled_parked;
    std::uint64_t dead_spans = 0;
    for (const spool::DeadLetter& letter : dead) dead_spans += letter.spans;
    for (const TracePart& part : parts) {
      if (part.settled) continue;
      const std::uint64_t dead_here = std::min<std::uint64_t>(dead_spans, part.spans);
      dead_spans -= dead_here;
      SpanCounts counts = SpanCounts::of(outcome, part.spans - dead_here);
      counts[Outcome::dead] += dead_here;
      if (part.parked) {
        settled_parked.emplace_back(*part.parked, counts);
        settled_parked.back().dead = std::exchange(dead, {});
        continue;
      }
      settled.push_back(
          {part.seq, part.header.span_count, part.header.trace_count, id, counts, std::exchange(dead, {})});
    }
    if (!settled.empty()) cursor_.settle(std::move(settled));
    if (!settled_parked.empty()) cursor_.settle_parked(std::move(settled_parked));
  }

  std::vector<spool::DeadLetter> letters_of(const GatheredTrace& trace, TraceOutcome& outcome) {
    std::vector<spool::DeadLetter> letters;
    const auto first = std::ranges::find_if(trace.parts, [](const TracePart& part) { return !part.settled; });
    for (RefusedSpans& refused : outcome.refused_spans) {
      context_.sender.health().note_error(refused.verdict.reason);
      ++context_.sender.health().dead_letters;
      spool::DeadLetter& letter = letters.emplace_back(letter_of(*first, refused.verdict));
      letter.trace_id = trace.trace.id;
      letter.span_id = refused.span;
      letter.spans = static_cast<std::uint32_t>(refused.spans);
      letter.payload = std::move(refused.payload);
    }
    return letters;
  }

  void settle_refused(const TraceId& id, const std::vector<TracePart>& parts, const Verdict& verdict) {
    context_.sender.health().note_error(verdict.reason);
    if (!writes_dead_letters_) {
      spdlog::warn("destination {}: trace {}: {}; its spans are there, its request id and tags are not",
                   context_.settings.name, id.hex(), verdict.reason);
      settle(id, parts, Outcome::delivered, {});
      return;
    }
    const auto first = std::ranges::find_if(parts, [](const TracePart& part) { return !part.settled; });
    spool::DeadLetter letter = letter_of(*first, verdict);
    letter.trace_id = id;
    letter.spans = 0;
    for (const TracePart& part : parts) letter.spans += part.settled ? 0 : part.spans;
    letter.payload = gatherer_.request_of(id, parts);
    ++context_.sender.health().dead_letters;
    std::vector<spool::DeadLetter> dead;
    dead.push_back(std::move(letter));
    settle(id, parts, Outcome::dead, std::move(dead));
  }

  void settle_unreadable(const Record& record, std::string_view reason) {
    Verdict verdict;
    verdict.reason = fmt::format("record {} cannot be read as spans: {}", record.seq, reason);
    Settled all = Settled::all(record, SpanCounts::of(Outcome::dead, record.header.span_count));
    spool::DeadLetter letter =
        letter_of({record.seq, record.header, record.header.span_count, false}, verdict);
    letter.payload = *record.payload;
    all.dead.push_back(std::move(letter));
    ++context_.sender.health().dead_letters;
    std::vector<Settled> settled;
    settled.push_back(std::move(all));
    cursor_.settle(std::move(settled));
  }

  [[nodiscard]] spool::DeadLetter letter_of(const TracePart& part, const Verdict& verdict) const {
    spool::DeadLetter letter;
    letter.destination = context_.settings.name;
    letter.seq = part.seq;
    letter.spans = part.spans;
    letter.kind = part.header.kind;
    letter.route = part.header.route;
    letter.received_ns = part.header.received_ns;
    letter.refused_ns = now_ns();
    letter.status = verdict.status;
    letter.reason = verdict.reason;
    letter.response_excerpt = verdict.excerpt;
    return letter;
  }

  const TrackContext context_;
  spool::Cursor& cursor_;
  const bool writes_dead_letters_;
  const std::unique_ptr<TraceDelivery> delivery_;
  const std::size_t concurrency_;
  Assembler assembler_;
  TraceGatherer gatherer_;
  TraceParking parking_;
  TraceMarks marks_;
  Seq next_;                // the record to look at next
  const Seq end_at_start_;  // records below may be settled in part by the process before
  std::size_t under_way_ = 0;
  std::size_t bytes_under_way_ = 0;
  Time ask_again_ = Time::min();  // before, nothing is launched
  Event changed_;
  Sleeps sleeps_;
  asio::steady_timer due_;
  asio::steady_timer remembered_;  // wakes those who wait for a mark to be durable
};

}  // namespace

std::unique_ptr<Track> make_trace_track(TrackContext context, TraceTrackSettings settings,
                                        std::unique_ptr<TraceDelivery> delivery) {
  const auto from =
      context.settings.from == From::oldest ? spool::Spool::From::oldest : spool::Spool::From::now;
  const auto cursor = context.spool.cursor(settings.cursor_name, from);
  if (!cursor) return nullptr;
  return std::make_unique<TraceTrack>(context, **cursor, settings.writes_dead_letters, std::move(delivery));
}

}  // namespace spanferry::uploader
