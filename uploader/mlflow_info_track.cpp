// An open-source MLflow server has the spans by OTLP and derives most of the trace from them; one StartTrace
// adds what only that call carries: request id, tags and metadata from children or the operator, the name; or
// what the trace's own client said, and nothing else. It goes once the track of spans has delivered all that
// is here of the trace.
#include <algorithm>
#include <chrono>
#include <functional>
#include <unordered_set>

#include <fmt/format.h>

#include "model/clock.hpp"
#include "model/mlflow_start_trace.hpp"
#include "uploader/trace_calls.hpp"
#include "uploader/trace_track.hpp"
#include "uploader/written_delivery.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

constexpr int kMaxExperimentRounds = 3;
constexpr std::chrono::milliseconds kRootAgainIn{1000};

class MlflowInfoDelivery final : public TraceDelivery {
 public:
  MlflowInfoDelivery(const TrackContext& context, const Track& spans)
      : context_(context), spans_(spans), calls_(context, Surface::mlflow_api) {}

  [[nodiscard]] bool ready(const TraceId& trace, Seq first) const override {
    return spans_.settled(first, trace);
  }
  void stop() override { calls_.sleeps().stop(); }

  [[nodiscard]] bool all_ready(const GatheredTrace& gathered) const override {
    return std::ranges::all_of(
        gathered.parts, [&](const TracePart& part) { return spans_.settled(part.seq, gathered.trace.id); });
  }

  asio::awaitable<TraceOutcome> deliver(GatheredTrace& gathered) override {
    TraceOutcome done{TraceOutcome::Kind::delivered,
                      {},
                      false,
                      gathered.trace.spans.size(),
                      gathered.trace.root() != nullptr || (gathered.mark && gathered.mark->has_root)};
    if (context_.file_store != nullptr && context_.file_store->takes_files())
      co_return co_await tell_once(gathered, std::move(done));
    if (gathered.has_own_info()) co_return co_await tell_as_written(gathered, std::move(done));
    leave_out_refused(gathered);
    if (gathered.trace.spans.empty()) co_return done;
    auto info = mlflow::needs_start_trace(gathered.trace, context_.context);
    if (!info) co_return done;
    std::string experiment;
    if (gathered.trace.root() == nullptr || gathered.is_less_than_uploaded()) {
      Verdict verdict = co_await calls_.trace_info(gathered.trace.id);
      if (verdict.action == Action::not_found) co_return done;
      if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
      const auto known = mlflow::parse_trace_info(verdict.response.body);
      if (!known) co_return TraceOutcome::refused(std::move(verdict));
      if (gathered.trace.root() == nullptr && root_may_come(gathered, *known)) co_return ask_again();
      keep_what_is_known(*info, *known, gathered.trace.root() != nullptr);
      experiment = known->experiment_id;
    }
    const bool with_tags = !gathered.mark || !gathered.mark->told();
    Verdict verdict = co_await start_trace(
        gathered.route,
        [&](std::string_view id) { return mlflow::start_trace_body(*info, id, mlflow::WithTags(with_tags)); },
        std::move(experiment));
    if (verdict.action != Action::done) co_return TraceOutcome::of(std::move(verdict));
    ++context_.sender.health().delivered_traces;
    done.told = true;
    done.tags_told = with_tags;
    co_return done;
  }

 private:
  // A file store derives nothing, and takes one StartTrace a trace: a second one is a 500 there.
  // CONTRACT 1.2.
  asio::awaitable<TraceOutcome> tell_once(GatheredTrace& gathered, TraceOutcome done) {
    const auto& own = gathered.writes.info;
    if (!own && gathered.has_own_info()) co_return done;
    leave_out_refused(gathered);
    if (!own && gathered.trace.spans.empty()) co_return done;
    const TraceId& id = gathered.trace.id;
    Verdict there = co_await calls_.trace_info(id);
    if (there.action == Action::not_found) {
      Verdict verdict = co_await start_trace(gathered.route, [&](std::string_view experiment) {
        if (own) return mlflow::start_trace_body(*own, experiment, mlflow::WithTags::yes);
        return mlflow::start_trace_body(whole_info(gathered.trace), experiment, mlflow::WithTags::yes);
      });
      // Told in between, by another daemon or by a request whose answer was lost.
      if (verdict.status == 500) there = co_await calls_.trace_info(id);
      if (there.action != Action::done) there = std::move(verdict);
      if (there.action == Action::done) ++context_.sender.health().delivered_traces;
    }
    if (there.action != Action::done) co_return TraceOutcome::of(std::move(there));
    done.told = true;
    done.info_sent = own.has_value();
    co_return done;
  }

  [[nodiscard]] mlflow::TraceInfo whole_info(const mlflow::Trace& trace) const {
    mlflow::TraceInfo info = mlflow::trace_info(trace, mlflow::Flavor::open_source, context_.context);
    const mlflow::SpansFile file = mlflow::spans_file(trace.spans);
    mlflow::add_size_stats(info, file.span_sizes, file.body.size());
    return info;
  }

  // The server has the spans, and its client tells about the trace. Told anew after late spans: they stretch
  // the times.
  asio::awaitable<TraceOutcome> tell_as_written(const GatheredTrace& gathered, TraceOutcome done) {
    if (!gathered.writes.info) co_return done;
    const bool with_tags = !gathered.mark || !gathered.mark->info_sent;
    Verdict verdict = co_await start_trace(gathered.route, [&](std::string_view id) {
      return mlflow::start_trace_body(*gathered.writes.info, id, mlflow::WithTags(with_tags));
    });
    if (verdict.action == Action::stopped || verdict.action == Action::held)
      co_return TraceOutcome::of(std::move(verdict));
    if (verdict.action == Action::done) {
      ++context_.sender.health().delivered_traces;
      done.told = done.info_sent = true;
      done.tags_told = with_tags;
      co_return done;
    }
    // The spans are there all the same.
    for (std::size_t i = 0; i < gathered.parts.size(); ++i)
      if (gathered.parts[i].header.kind == RecordKind::trace_info && !gathered.parts[i].settled)
        done.refused_parts.push_back({i, verdict});
    co_return done;
  }

  // While the server waits for the root, another daemon may be about to bring it: a StartTrace now would fix
  // times and state as they are without it.
  [[nodiscard]] bool root_may_come(const GatheredTrace& gathered, const mlflow::KnownInfo& known) const {
    if (mlflow::state_named(known.state) != mlflow::State::in_progress) return false;
    const std::chrono::nanoseconds age(unix_now_ns() - gathered.last_received_ns);
    return age < context_.settings.assemble.max_open;
  }

  static TraceOutcome ask_again() {
    TraceOutcome later;
    later.kind = TraceOutcome::Kind::later;
    later.again_in = kRootAgainIn;
    return later;
  }

  // Spans that the server refused are not there to be described.
  void leave_out_refused(GatheredTrace& gathered) {
    const auto any = context_.spool.dead_letters(context_.settings.name, 1);
    if (!any || any->empty()) return;
    std::erase_if(gathered.trace.spans, [&](const mlflow::StoredSpan& span) {
      return std::ranges::any_of(gathered.parts, [&](const TracePart& part) {
        return is_dead(part.seq, gathered.trace.id, span.span_id) || is_dead(part.seq, gathered.trace.id, {});
      });
    });
  }

  [[nodiscard]] bool is_dead(Seq seq, const TraceId& trace, const SpanId& span) {
    spool::DeadLetter letter;
    letter.destination = context_.settings.name;
    letter.seq = seq;
    letter.trace_id = trace;
    letter.span_id = span;
    const auto found = context_.spool.dead_letter(letter.id());
    return found && *found;
  }

  // StartTrace is no patch: what we do not know better is sent back as it is.
  static void keep_what_is_known(mlflow::TraceInfo& info, const mlflow::KnownInfo& known, bool has_root) {
    if (!has_root) info.state = mlflow::state_named(known.state);
    if (!info.client_request_id) info.client_request_id = known.client_request_id;
    if (known.request_time_ms == 0) return;
    const std::int64_t end = std::max(info.request_time_ms + info.execution_duration_ms,
                                      known.request_time_ms + known.execution_duration_ms);
    info.request_time_ms = std::min(info.request_time_ms, known.request_time_ms);
    info.execution_duration_ms = end - info.request_time_ms;
  }

  // `body` of the experiment's id. `experiment`: where the trace is, if that is known.
  asio::awaitable<Verdict> start_trace(Route route, std::function<std::string(std::string_view)> body,
                                       std::string experiment = {}) {
    for (int round = 1;; ++round) {
      if (experiment.empty()) {
        auto resolved = co_await context_.experiments->resolve(route);
        if (!resolved) co_return std::move(resolved.error());
        experiment = std::move(resolved->id);
      }
      Verdict verdict = co_await calls_.start_trace(body(experiment));
      if (verdict.action == Action::exists) verdict.action = Action::done;
      if (verdict.action != Action::not_found || round >= kMaxExperimentRounds) co_return verdict;
      context_.experiments->forget(route);
      experiment.clear();
    }
  }

  const TrackContext context_;
  const Track& spans_;
  TraceCalls calls_;
};

}  // namespace

std::unique_ptr<Track> make_mlflow_info_track(TrackContext context, const Track& spans) {
  return make_trace_track(context, {context.settings.name + "#info", false},
                          make_written_delivery(context, Surface::mlflow_api,
                                                std::make_unique<MlflowInfoDelivery>(context, spans)));
}

}  // namespace spanferry::uploader
