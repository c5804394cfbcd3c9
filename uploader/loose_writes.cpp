#include "uploader/loose_writes.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "model/clock.hpp"
#include "model/json_writer.hpp"
#include "uploader/location_link.hpp"
#include "uploader/written.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kMaxWaiting = 256;
constexpr milliseconds kFirstLook{1000}, kLongestLook{600'000};  // between two looks at what is parked
constexpr std::chrono::hours kPatience{24};

using Fate = EditOutcome::Kind;

Verdict refusal(std::string reason) {
  Verdict verdict;
  verdict.action = Action::split;
  verdict.reason = std::move(reason);
  return verdict;
}

bool is_too_old(const RecordHeader& header) {
  return std::chrono::nanoseconds(unix_now_ns() - header.received_ns) > kPatience;
}

std::string set_tag_body(std::string_view experiment, std::string_view key, std::string_view value) {
  std::string body;
  JsonWriter(body)
      .begin_object()
      .field("experiment_id", experiment)
      .field("key", key)
      .field("value", value)
      .end_object();
  return body;
}

}  // namespace

LooseWrites::LooseWrites(const TrackContext& context, spool::Cursor& cursor, TraceSettling& settling,
                         std::function<void()> moved)
    : context_(context),
      cursor_(cursor),
      settling_(settling),
      calls_(context,
             context.settings.kind == Kind::databricks ? Surface::databricks_api : Surface::mlflow_api),
      feedback_(context, calls_),
      moved_(std::move(moved)),
      end_at_start_(context.spool.end()),
      look_at_parked_(Clock::now()),
      between_looks_(kFirstLook),
      changed_(context.io),
      next_look_(context.io) {}

bool LooseWrites::takes(const RecordHeader& header) {
  return !header.only_trace &&
         (header.kind == RecordKind::experiment_edit || header.kind == RecordKind::trace_edit ||
          header.kind == RecordKind::trace_delete);
}

bool LooseWrites::full() const { return waiting_.size() >= kMaxWaiting; }

void LooseWrites::add(Record record) {
  waiting_.push_back({std::move(record), std::nullopt});
  changed_.notify();
}

void LooseWrites::look() {
  if (const auto revived = cursor_.parked().revived; revived != revived_) {
    revived_ = revived;
    look_at_parked_ = Clock::now();
  }
  changed_.notify();
}

void LooseWrites::stop() {
  changed_.stop();
  next_look_.cancel();
  calls_.sleeps().stop();
}

asio::awaitable<void> LooseWrites::run() {
  while (!changed_.stopped()) {
    auto waiting = next();
    if (!waiting) {
      if (!co_await wait()) co_return;
      continue;
    }
    if (!co_await context_.sender.open()) co_return;
    EditOutcome made = co_await apply(waiting->record);
    if (made.kind == Fate::stopped) co_return;
    if (made.kind == Fate::early && is_too_old(waiting->record.header)) {
      made.kind = Fate::refused;
      made.verdict.reason = "in vain for 24 hours: " + made.verdict.reason;
    }
    if (made.kind != Fate::early) {
      settling_.settle_whole(waiting->record, waiting->parked,
                             made.kind == Fate::refused ? &made.verdict : nullptr);
    } else if (!waiting->parked) {
      park(waiting->record);
    }
    co_await written(context_.io, cursor_);
    moved_();
  }
}

std::optional<LooseWrites::Waiting> LooseWrites::next() {
  if (Clock::now() >= look_at_parked_) read_parked();
  if (waiting_.empty() || !may_go(waiting_.front().record)) return std::nullopt;
  Waiting waiting = std::move(waiting_.front());
  waiting_.pop_front();
  return waiting;
}

// What came before a deletion by time goes before it.
bool LooseWrites::may_go(const Record& record) const {
  return record.header.kind != RecordKind::trace_delete || cursor_.position() >= record.seq;
}

void LooseWrites::read_parked() {
  look_at_parked_ = Clock::now() + between_looks_;
  between_looks_ = std::min(between_looks_ * 2, kLongestLook);
  if (cursor_.parked().records == 0) return;
  auto parts = cursor_.parked_of(TraceId{});
  if (!parts) return;
  for (spool::Parked& part : *parts) {
    if (full()) break;
    Record record{part.key.seq, part.header, part.payload};
    if (takes(record.header)) waiting_.push_back({std::move(record), std::move(part)});
  }
}

// False: stopped.
asio::awaitable<bool> LooseWrites::wait() {
  if (cursor_.parked().records > 0) {
    next_look_.expires_at(look_at_parked_);
    next_look_.async_wait([this](const boost::system::error_code& error) {
      if (!error) changed_.notify();
    });
  }
  co_return co_await changed_.wait();
}

void LooseWrites::park(const Record& record) {
  spool::Settled settled = spool::Settled::all(record, {});
  settled.parked.push_back(spool::parked_part(record, TraceId{}, record.header.span_count, record.payload));
  std::vector<spool::Settled> all;
  all.push_back(std::move(settled));
  cursor_.settle(std::move(all));
  between_looks_ = kFirstLook;
  look_at_parked_ = std::min(look_at_parked_, Clock::now() + between_looks_);
}

asio::awaitable<EditOutcome> LooseWrites::apply(const Record& record) {
  const std::string& payload = *record.payload;
  if (record.header.kind == RecordKind::experiment_edit) {
    const auto edit = mlflow::parse_experiment_edit(payload);
    if (!edit) co_return outcome_of(refusal(edit.error().sentence));
    co_return co_await apply(record.header.route, *edit);
  }
  if (record.header.kind == RecordKind::trace_delete) {
    const auto deletion = mlflow::parse_trace_delete(payload);
    if (!deletion) co_return outcome_of(refusal(deletion.error().sentence));
    co_return co_await remove_older(record.header.route, *deletion);
  }
  const auto edit = mlflow::parse_trace_edit(payload);
  if (!edit) co_return outcome_of(refusal(edit.error().sentence));
  const auto* feedback = std::get_if<mlflow::FeedbackByRequest>(&*edit);
  if (feedback == nullptr) co_return outcome_of(refusal("the edit names no trace"));
  co_return co_await feedback_.give(record.header.route, *feedback, record.seq < end_at_start_);
}

asio::awaitable<EditOutcome> LooseWrites::apply(const Route& route, const mlflow::ExperimentEdit& edit) {
  if (const auto* create = std::get_if<mlflow::CreateExperiment>(&edit))
    co_return co_await this->create(*create);
  if (const auto* tag = std::get_if<mlflow::SetExperimentTag>(&edit)) co_return co_await set_tag(route, *tag);
  // Another kind of destination has no such locations, and keeps its traces as it always does.
  if (context_.settings.kind != Kind::databricks) co_return EditOutcome{Fate::done, {}};
  if (const auto* location = std::get_if<mlflow::MakeLocation>(&edit)) co_return co_await make(*location);
  co_return co_await link(route, std::get<mlflow::LinkLocation>(edit));
}

asio::awaitable<EditOutcome> LooseWrites::make(const mlflow::MakeLocation& edit) {
  const std::string& warehouse =
      edit.sql_warehouse_id.empty() ? context_.settings.sql_warehouse_id : edit.sql_warehouse_id;
  Verdict verdict =
      co_await calls_.call("POST", std::string(kMakeLocationPath), make_location_body(edit.path, warehouse));
  if (verdict.action == Action::exists) verdict.action = Action::done;
  co_return outcome_of(std::move(verdict));
}

asio::awaitable<EditOutcome> LooseWrites::link(const Route& route, const mlflow::LinkLocation& edit) {
  auto experiment = co_await context_.experiments->resolve(route);
  if (!experiment) co_return outcome_of(std::move(experiment.error()));
  Verdict verdict = co_await calls_.call("POST", link_location_path(experiment->id),
                                         link_location_body(edit.path, experiment->id));
  if (verdict.action == Action::exists) verdict.action = Action::done;
  // Its traces go elsewhere from now on.
  if (verdict.action == Action::done) context_.experiments->forget(route);
  co_return outcome_of(std::move(verdict));
}

asio::awaitable<EditOutcome> LooseWrites::create(const mlflow::CreateExperiment& edit) {
  if (!context_.settings.create_experiment)
    co_return outcome_of(refusal(fmt::format(
        "experiment {} is not created: `create_experiment` is false for this destination", edit.name)));
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("name", edit.name).key("tags").begin_array();
  for (const auto& [key, value] : edit.tags)
    json.begin_object().field("key", key).field("value", value).end_object();
  json.end_array().end_object();
  Verdict verdict = co_await calls_.call("POST", "/api/2.0/mlflow/experiments/create", std::move(body));
  if (verdict.action != Action::exists) co_return outcome_of(std::move(verdict));
  // Traces for it were faster, or it is somebody else's.
  for (const auto& [key, value] : edit.tags) {
    EditOutcome made = co_await set_tag(Route{{}, edit.name, {}}, {key, value});
    if (made.kind != Fate::done) co_return made;
  }
  verdict.action = Action::done;
  co_return outcome_of(std::move(verdict));
}

asio::awaitable<EditOutcome> LooseWrites::set_tag(const Route& route, const mlflow::SetExperimentTag& edit) {
  auto experiment = co_await context_.experiments->resolve(route);
  if (!experiment) co_return outcome_of(std::move(experiment.error()));
  co_return outcome_of(co_await calls_.call("POST", "/api/2.0/mlflow/experiments/set-experiment-tag",
                                            set_tag_body(experiment->id, edit.key, edit.value)));
}

asio::awaitable<EditOutcome> LooseWrites::remove_older(const Route& route,
                                                       const mlflow::TraceDelete& deletion) {
  auto experiment = co_await context_.experiments->resolve(route);
  if (!experiment) co_return outcome_of(std::move(experiment.error()));
  std::string body;
  JsonWriter json(body);
  json.begin_object()
      .field("experiment_id", experiment->id)
      .field("max_timestamp_millis", deletion.max_timestamp_ms);
  if (deletion.max_traces != 0) json.field("max_traces", deletion.max_traces);
  json.end_object();
  co_return outcome_of(co_await calls_.call("POST", "/api/2.0/mlflow/traces/delete-traces", std::move(body)));
}

}  // namespace spanferry::uploader
