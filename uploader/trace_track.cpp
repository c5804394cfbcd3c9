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

#include "model/clock.hpp"
#include "uploader/assembler.hpp"
#include "uploader/early_edits.hpp"
#include "uploader/loose_writes.hpp"
#include "uploader/trace_headings.hpp"
#include "uploader/trace_parking.hpp"
#include "uploader/trace_settling.hpp"
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
constexpr milliseconds kAfterError{1000};
constexpr milliseconds kNotReady{50};
constexpr int kMaxNotReady = 64;

void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

class TraceTrack final : public Track {
 public:
  TraceTrack(const TrackContext& context, spool::Cursor& cursor, bool spans_are_ours,
             std::unique_ptr<TraceDelivery> delivery)
      : context_(context),
        cursor_(cursor),
        delivery_(std::move(delivery)),
        concurrency_(std::max<std::size_t>(1, context.settings.concurrency)),
        max_bytes_(gathered_bytes_limit(context.settings)),
        assembler_(context.settings.assemble, kMaxOpenTraces),
        gatherer_(context.spool, cursor),
        parking_(context, cursor),
        settling_(context, cursor, spans_are_ours),
        loose_(context, cursor, settling_, [this] { changed_.notify(); }),
        marks_(context.spool, cursor.name()),
        next_(cursor.position()),
        end_at_start_(context.spool.end()),
        changed_(context.io),
        sleeps_(context.io),
        due_(context.io),
        remembered_(context.io, asio::steady_timer::time_point::max()) {
    context.sender.listen([this] { changed_.notify(); });
    if (context.routes == nullptr) return;
    context.routes->listen([this] {
      parking_.look();
      changed_.notify();
    });
  }

  void start() override {
    asio::co_spawn(context_.io, run(), rethrow);
    asio::co_spawn(context_.io, loose_.run(), rethrow);
  }
  void records_arrived() override {
    parking_.records_arrived();
    loose_.look();
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
    loose_.stop();
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
    auto due = assembler_.next_due();
    if (const auto early = early_.next(); early && (!due || *early < *due)) due = early;
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
    look_for_early();
    auto parked = parking_.note_some(assembler_);
    if (!parked || *parked) return parked;
    if (!assembler_.full()) {
      auto moved = parking_.park_laggards(assembler_, next_, Clock::now());
      if (!moved || *moved) return moved;
    }
    if (loose_.full()) return false;
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

  void look_for_early() {
    while (!assembler_.full()) {
      const auto trace = early_.take(Clock::now());
      if (!trace) break;
      parking_.note_again(assembler_, *trace);
    }
    if (early_.has_room_again()) parking_.look();
  }

  void note(const Record& record) {
    const bool from_before = record.seq < end_at_start_;
    if (from_before && cursor_.settled(record.seq)) return;
    const RecordHeader& header = record.header;
    if (header.kind == RecordKind::spans && header.span_count == 0) {
      cursor_.settle({Settled::all(record, {})});
      return;
    }
    if (LooseWrites::takes(header)) return loose_.add(record);
    const auto headings = trace_headings(header, *record.payload);
    if (header.kind != RecordKind::spans && headings && headings->empty()) {
      cursor_.settle({Settled::all(record, SpanCounts::of(Outcome::not_applicable, header.span_count))});
      return;
    }
    if (!headings || headings->empty()) {
      settling_.settle_unreadable(record, headings ? "it names no trace" : headings.error().sentence);
      return;
    }
    if (header.kind == RecordKind::trace_delete && context_.deleted != nullptr)
      context_.deleted->add(headings->front().trace);
    const Time received = steady_time_of(header.received_ns);
    for (const TraceHeading& heading : *headings) {
      if (from_before && cursor_.settled(record.seq, heading.trace)) continue;
      bool may_go = heading.top_ended;
      Time since = received;
      const bool is_spans = header.kind == RecordKind::spans;
      if (!is_spans || (!may_go && !assembler_.knows(heading.trace))) {
        const auto mark = marks_.load(heading.trace);
        const bool is_told = mark && *mark;
        // What comes late to a trace that was told waits for no root; what is no part of it, for nothing.
        may_go |= is_told && ((*mark)->has_root || (*mark)->info_sent || (*mark)->deleted);
        if (is_told && !is_spans) since -= context_.settings.assemble.quiet;
      }
      assembler_.note(heading.trace, record.seq, may_go, since, header.route);
    }
  }

  // traces under way

  [[nodiscard]] bool has_room() const {
    return under_way_ < concurrency_ && bytes_under_way_ < max_bytes_ && context_.sender.has_room();
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
    if (!held && !(ready && delivery_->all_ready(*trace))) {
      if (ready && routes != nullptr) routes->left(trace->route);
      return assembler_.put_back(id, Clock::now() + kNotReady);
    }
    ++under_way_;
    bytes_under_way_ += trace->bytes;
    asio::co_spawn(context_.io, held ? set_aside(std::move(trace)) : deliver(std::move(trace)), rethrow);
  }

  // What is to be settled and needs the spool is tried until the spool can be read: what was sent, or
  // refused, is not to be sent once more for that. False: stopped.
  template <class Settle>
  asio::awaitable<bool> settle_for_sure(TraceId trace, Settle settle) {
    for (bool first_try = true;; first_try = false) {
      const auto settled = settle();
      // A probe may have looked for what was not parked yet.
      if (settled && !first_try) parking_.look();
      if (settled) co_return true;
      spdlog::error("destination {}: trace {}: {}; trying again", context_.settings.name, trace.hex(),
                    settled.error().sentence);
      if (!co_await sleeps_.sleep(kAfterError)) co_return false;
    }
  }

  asio::awaitable<void> set_aside(std::shared_ptr<GatheredTrace> trace) {
    if (!co_await settle_for_sure(trace->trace.id, [&] { return parking_.set_aside(*trace); })) co_return;
    co_await written(context_.io, cursor_);
    assembler_.done(trace->trace.id, trace->parts.back().seq);
    ended(*trace);
  }

  void ended(const GatheredTrace& trace) {
    --under_way_;
    bytes_under_way_ -= trace.bytes;
    loose_.look();
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
    if (const auto settled = settling_.settle_refused(id, parts, verdict); !settled)
      return cannot_gather(id, settled.error(), parts);
    assembler_.done(id, parts.back().seq);
  }

  asio::awaitable<void> deliver(std::shared_ptr<GatheredTrace> trace) {
    const TraceId id = trace->trace.id;
    const std::size_t bytes = trace->bytes;  // as it was gathered
    const Seq last = trace->parts.back().seq;
    const bool has_news = trace->has_news();
    TraceOutcome outcome;
    if (trace->uploaded()) {
      // The process before was not given the time to settle it.
      outcome = {TraceOutcome::Kind::delivered, {}, false, trace->mark->spans, trace->mark->has_root};
      outcome.deleted = trace->mark->deleted;
    } else {
      outcome = co_await delivery_->deliver(*trace);
    }
    if (HeldRoutes* routes = context_.routes; routes != nullptr) {
      if (outcome.kind == TraceOutcome::Kind::delivered && has_news) {
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
        assembler_.put_back(id, Clock::now() + outcome.again_in);
        break;
      case TraceOutcome::Kind::refused:
        if (!co_await settle_for_sure(
                id, [&] { return settling_.settle_refused(id, trace->parts, outcome.refusal); }))
          co_return;
        assembler_.done(id, last);
        break;
      case TraceOutcome::Kind::delivered:
        if (!co_await settle_delivered(*trace, outcome)) co_return;
        assembler_.done(id, last);
        break;
    }
    if (outcome.early_parts.empty()) {
      early_.forget(id);
    } else {
      early_.wait(id, Clock::now());
    }
    if (outcome.kind != TraceOutcome::Kind::later && outcome.early_parts.empty())
      parking_.note_again(assembler_, id);
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

  // What is remembered comes before what is settled: a process that finds only the former does nothing again,
  // one that finds only the latter would not know what it has told. Dead letters come before both. False:
  // stopped.
  asio::awaitable<bool> settle_delivered(const GatheredTrace& trace, TraceOutcome& outcome) {
    bool any_apart = false;
    const auto apart = [&] {
      const auto any = settling_.settle_apart(trace, outcome);
      any_apart = any.value_or(false);
      return any;
    };
    if (!co_await settle_for_sure(trace.trace.id, apart)) co_return false;
    if (any_apart) co_await written(context_.io, cursor_);
    const bool letters_first = !outcome.refused_spans.empty();
    if (letters_first) settling_.settle_rest(trace, outcome);
    if (outcome.told) {
      TraceMark mark = trace.mark.value_or(TraceMark{});
      mark.spans = outcome.spans;
      mark.last = std::max(mark.last, trace.parts.back().seq);
      mark.has_root = outcome.has_root;
      mark.info_sent |= outcome.info_sent;
      mark.edited |= outcome.edited;
      mark.deleted |= outcome.deleted;
      co_await remember(trace.trace.id, mark);
    }
    if (!letters_first) settling_.settle_rest(trace, outcome);
    co_return true;
  }

  const TrackContext context_;
  spool::Cursor& cursor_;
  const std::unique_ptr<TraceDelivery> delivery_;
  const std::size_t concurrency_;
  const std::uint64_t max_bytes_;  // under way
  Assembler assembler_;
  TraceGatherer gatherer_;
  TraceParking parking_;
  EarlyEdits early_;
  TraceSettling settling_;
  LooseWrites loose_;
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
  return std::make_unique<TraceTrack>(context, **cursor, settings.spans_are_ours, std::move(delivery));
}

}  // namespace spanferry::uploader
