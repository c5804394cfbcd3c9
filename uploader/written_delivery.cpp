#include "uploader/written_delivery.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "model/clock.hpp"
#include "uploader/databricks_storage.hpp"
#include "uploader/part_payload.hpp"
#include "uploader/trace_edits.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// How long an edit waits for its trace.
constexpr std::chrono::hours kPatience{24};
constexpr std::chrono::milliseconds kAfterReadError{1000};

bool is_too_old(const RecordHeader& header) {
  return std::chrono::nanoseconds(unix_now_ns() - header.received_ns) > kPatience;
}

class WrittenDelivery final : public TraceDelivery {
 public:
  WrittenDelivery(const TrackContext& context, Surface surface, std::unique_ptr<TraceDelivery> inner)
      : context_(context),
        spans_go_apart_(surface == Surface::mlflow_api),
        inner_(std::move(inner)),
        calls_(context, surface),
        edits_(context, calls_),
        end_at_start_(context.spool.end()) {}

  [[nodiscard]] bool ready(const TraceId& trace, Seq first) const override {
    return inner_->ready(trace, first);
  }
  [[nodiscard]] bool all_ready(const GatheredTrace& trace) const override { return inner_->all_ready(trace); }
  void stop() override {
    inner_->stop();
    calls_.sleeps().stop();
  }

  asio::awaitable<TraceOutcome> deliver(GatheredTrace& trace) override {
    if (trace.writes.deleted || (trace.mark && trace.mark->deleted)) co_return co_await remove(trace);
    TraceOutcome outcome{TraceOutcome::Kind::delivered, {}, false, 0, false};
    if (trace.mark) {
      outcome.spans = trace.mark->spans;
      outcome.has_root = trace.mark->has_root;
    }
    if (trace.has_news()) outcome = co_await inner_->deliver(trace);
    if (outcome.kind != TraceOutcome::Kind::delivered) co_return outcome;
    refuse_unreadable(trace, outcome);
    if (!co_await edit(trace, outcome)) co_return TraceOutcome{};
    co_return outcome;
  }

 private:
  void refuse_unreadable(const GatheredTrace& trace, TraceOutcome& outcome) const {
    for (std::size_t i = 0; i < trace.parts.size(); ++i) {
      const TracePart& part = trace.parts[i];
      if (part.settled || part.unreadable.empty() || (spans_go_apart_ && part.holds_spans())) continue;
      Verdict verdict;
      verdict.reason = fmt::format("record {} cannot be read as {}: {}", part.seq, name(part.header.kind),
                                   part.unreadable);
      outcome.refused_parts.push_back({i, std::move(verdict)});
    }
  }

  // All of it in order; what comes after an edit that is early is early too. False: stopped.
  asio::awaitable<bool> edit(const GatheredTrace& trace, TraceOutcome& outcome) {
    auto next_edit = trace.writes.edits.begin();
    auto next_file = trace.writes.artifacts.begin();
    bool is_early = false;
    while (next_edit != trace.writes.edits.end() || next_file != trace.writes.artifacts.end()) {
      const bool is_file = next_edit == trace.writes.edits.end() ||
                           (next_file != trace.writes.artifacts.end() && *next_file < next_edit->part);
      const std::size_t at = is_file ? *next_file++ : next_edit->part;
      const auto* edit = is_file ? nullptr : &(next_edit++)->edit;
      const TracePart& part = trace.parts[at];
      // Told again, the trace has its first tags again.
      if (trace.done(part) && (is_file || !outcome.tags_told)) continue;
      EditOutcome made{EditOutcome::Kind::early, {}};
      if (!is_early) {
        const bool may_be_done = part.seq < end_at_start_ || trace.done(part);
        made = is_file ? co_await put(trace, part) : co_await apply_edit(trace, *edit, may_be_done);
      }
      if (made.kind == EditOutcome::Kind::stopped) co_return false;
      if (made.kind == EditOutcome::Kind::early && is_too_old(part.header)) {
        made.kind = EditOutcome::Kind::refused;
        made.verdict.reason = fmt::format("its trace did not come within 24 hours{}{}",
                                          made.verdict.reason.empty() ? "" : ": ", made.verdict.reason);
      }
      is_early |= made.kind == EditOutcome::Kind::early;
      note(trace, at, std::move(made), outcome);
    }
    co_return true;
  }

  asio::awaitable<EditOutcome> apply_edit(const GatheredTrace& trace, const mlflow::TraceEdit& edit,
                                          bool may_be_done) {
    if (auto made = co_await inner_->apply(trace, edit, may_be_done)) co_return *std::move(made);
    co_return co_await edits_.apply(trace.trace.id, edit, may_be_done);
  }

  static void note(const GatheredTrace& trace, std::size_t at, EditOutcome made, TraceOutcome& outcome) {
    if (made.kind == EditOutcome::Kind::done) outcome.told = outcome.edited = true;
    if (trace.parts[at].settled) return;
    if (made.kind == EditOutcome::Kind::refused)
      outcome.refused_parts.push_back({at, std::move(made.verdict)});
    if (made.kind == EditOutcome::Kind::early) outcome.early_parts.push_back(at);
  }

  asio::awaitable<EditOutcome> put(const GatheredTrace& trace, const TracePart& part) {
    auto read = part_payload(context_.spool, trace.trace.id, part);
    while (!read) {
      spdlog::error("destination {}: trace {}: {}; trying again", context_.settings.name,
                    trace.trace.id.hex(), read.error().sentence);
      if (!co_await calls_.sleeps().sleep(kAfterReadError)) co_return EditOutcome{};
      read = part_payload(context_.spool, trace.trace.id, part);
    }
    const std::shared_ptr<const std::string> payload = *std::move(read);
    Verdict lost;
    lost.reason = "the file is damaged since it came in";
    if (payload == nullptr) co_return EditOutcome{EditOutcome::Kind::refused, std::move(lost)};
    const auto file = mlflow::parse_artifact(*payload);
    if (!file) {
      lost.reason = file.error().sentence;
      co_return EditOutcome{EditOutcome::Kind::refused, std::move(lost)};
    }
    if (!spans_go_apart_) {
      DatabricksStorage storage(context_, calls_, file->path);
      Verdict verdict = co_await storage.upload(trace.trace.id, std::string(file->bytes));
      if (verdict.action == Action::not_found)
        co_return EditOutcome{EditOutcome::Kind::early, std::move(verdict)};
      if (verdict.action == Action::done) co_return EditOutcome{EditOutcome::Kind::done, {}};
      co_return not_there(std::move(verdict));
    }
    auto experiment = co_await context_.experiments->resolve(
        part.header.route.is_default() ? trace.route : part.header.route);
    if (!experiment) co_return not_there(std::move(experiment.error()));
    co_return co_await edits_.put_file(trace.trace.id, experiment->id, *file);
  }

  static EditOutcome not_there(Verdict verdict) {
    if (verdict.action == Action::stopped) return {};
    if (verdict.action == Action::held) return {EditOutcome::Kind::early, std::move(verdict)};
    return {EditOutcome::Kind::refused, std::move(verdict)};
  }

  // Whatever came of it before or comes after is deleted with it.
  asio::awaitable<TraceOutcome> remove(const GatheredTrace& trace) {
    TraceOutcome outcome{TraceOutcome::Kind::delivered, {}, true, 0, false};
    outcome.deleted = true;
    if (trace.mark) {
      outcome.spans = trace.mark->spans;
      outcome.has_root = trace.mark->has_root;
    }
    const auto deletion = std::ranges::find_if(trace.parts, [](const TracePart& part) {
      return !part.settled && part.header.kind == RecordKind::trace_delete;
    });
    // It is done, and what came after it was not sent; or it was by the other track, and is deleted again.
    const bool has_new_spans = std::ranges::any_of(
        trace.parts, [](const TracePart& part) { return !part.settled && part.holds_spans(); });
    if (deletion == trace.parts.end() && !(spans_go_apart_ && has_new_spans)) co_return outcome;
    const Route& named = deletion == trace.parts.end() ? trace.route : deletion->header.route;
    EditOutcome made = co_await remove_from(named.is_default() ? trace.route : named, trace.trace.id);
    switch (made.kind) {
      case EditOutcome::Kind::done:
        break;
      case EditOutcome::Kind::stopped:
        co_return TraceOutcome{};
      case EditOutcome::Kind::early:
        made.verdict.action = Action::held;
        co_return TraceOutcome::of(std::move(made.verdict));
      case EditOutcome::Kind::refused:
        if (deletion != trace.parts.end())
          outcome.refused_parts.push_back(
              {static_cast<std::size_t>(deletion - trace.parts.begin()), std::move(made.verdict)});
    }
    co_return outcome;
  }

  asio::awaitable<EditOutcome> remove_from(Route route, TraceId trace) {
    if (auto reason = inner_->cannot_remove(trace)) {
      Verdict verdict;
      verdict.reason = *std::move(reason);
      co_return EditOutcome{EditOutcome::Kind::refused, std::move(verdict)};
    }
    auto experiment = co_await context_.experiments->resolve(route);
    if (!experiment) co_return not_there(std::move(experiment.error()));
    co_return co_await edits_.remove(trace, std::move(experiment->id));
  }

  const TrackContext context_;
  const bool spans_go_apart_;  // another track of the destination delivers them
  const std::unique_ptr<TraceDelivery> inner_;
  TraceCalls calls_;
  TraceEdits edits_;
  const Seq end_at_start_;  // what came in before may have been done by the process before
};

}  // namespace

std::unique_ptr<TraceDelivery> make_written_delivery(const TrackContext& context, Surface surface,
                                                     std::unique_ptr<TraceDelivery> spans_and_info) {
  return std::make_unique<WrittenDelivery>(context, surface, std::move(spans_and_info));
}

}  // namespace spanferry::uploader
