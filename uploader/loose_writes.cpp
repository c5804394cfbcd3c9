#include "uploader/loose_writes.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <simdjson.h>

#include "model/clock.hpp"
#include "model/json_writer.hpp"
#include "spool/each_summary.hpp"
#include "uploader/written.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kMaxWaiting = 256;
constexpr milliseconds kFirstLook{1000}, kLongestLook{600'000};  // between two looks at what is parked
constexpr milliseconds kBetweenSearches{1000};                   // at the far side
constexpr std::chrono::hours kPatience{24};

Verdict refusal(std::string reason) {
  Verdict verdict;
  verdict.action = Action::split;
  verdict.reason = std::move(reason);
  return verdict;
}

bool is_too_old(const RecordHeader& header) {
  return std::chrono::nanoseconds(unix_now_ns() - header.received_ns) > kPatience;
}

// Nothing if no kind of quotes can hold it.
std::optional<std::string> in_quotes(std::string_view text) {
  if (text.find('\'') == std::string_view::npos) return fmt::format("'{}'", text);
  if (text.find('"') == std::string_view::npos) return fmt::format("\"{}\"", text);
  return std::nullopt;
}

std::optional<TraceId> first_trace_of(std::string_view body) {
  simdjson::dom::parser parser;
  std::string_view id;
  if (parser.parse(simdjson::padded_string(body)).at_key("traces").at(0).at_key("trace_id").get(id) !=
      simdjson::SUCCESS)
    return std::nullopt;
  return mlflow::parse_trace_id(id);
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
      edits_(context, calls_),
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
    Made made = co_await apply(waiting->record);
    if (made.reach == Reach::stopped) co_return;
    if (made.reach == Reach::early && is_too_old(waiting->record.header)) {
      made.reach = Reach::refused;
      made.verdict.reason = "in vain for 24 hours: " + made.verdict.reason;
    }
    if (made.reach != Reach::early) {
      settling_.settle_whole(waiting->record, waiting->parked,
                             made.reach == Reach::refused ? &made.verdict : nullptr);
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

LooseWrites::Made LooseWrites::made_of(Verdict verdict) {
  Reach reach = Reach::refused;
  if (verdict.action == Action::done) reach = Reach::done;
  if (verdict.action == Action::stopped) reach = Reach::stopped;
  if (verdict.action == Action::held) reach = Reach::early;
  return {reach, std::move(verdict)};
}

asio::awaitable<LooseWrites::Made> LooseWrites::apply(const Record& record) {
  const std::string& payload = *record.payload;
  if (record.header.kind == RecordKind::experiment_edit) {
    const auto edit = mlflow::parse_experiment_edit(payload);
    if (!edit) co_return made_of(refusal(edit.error().sentence));
    if (const auto* create = std::get_if<mlflow::CreateExperiment>(&*edit))
      co_return co_await this->create(*create);
    co_return co_await set_tag(record.header.route, std::get<mlflow::SetExperimentTag>(*edit));
  }
  if (record.header.kind == RecordKind::trace_delete) {
    const auto deletion = mlflow::parse_trace_delete(payload);
    if (!deletion) co_return made_of(refusal(deletion.error().sentence));
    co_return co_await remove_older(record.header.route, *deletion);
  }
  const auto edit = mlflow::parse_trace_edit(payload);
  if (!edit) co_return made_of(refusal(edit.error().sentence));
  const auto* feedback = std::get_if<mlflow::FeedbackByRequest>(&*edit);
  if (feedback == nullptr) co_return made_of(refusal("the edit names no trace"));
  co_return co_await give_feedback(record, *feedback);
}

asio::awaitable<LooseWrites::Made> LooseWrites::create(const mlflow::CreateExperiment& edit) {
  if (!context_.settings.create_experiment)
    co_return made_of(refusal(fmt::format(
        "experiment {} is not created: `create_experiment` is false for this destination", edit.name)));
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("name", edit.name).key("tags").begin_array();
  for (const auto& [key, value] : edit.tags)
    json.begin_object().field("key", key).field("value", value).end_object();
  json.end_array().end_object();
  Verdict verdict = co_await calls_.call("POST", "/api/2.0/mlflow/experiments/create", std::move(body));
  if (verdict.action != Action::exists) co_return made_of(std::move(verdict));
  // Traces for it were faster, or it is somebody else's.
  for (const auto& [key, value] : edit.tags) {
    Made made = co_await set_tag(Route{{}, edit.name, {}}, {key, value});
    if (made.reach != Reach::done) co_return made;
  }
  verdict.action = Action::done;
  co_return made_of(std::move(verdict));
}

asio::awaitable<LooseWrites::Made> LooseWrites::set_tag(const Route& route,
                                                        const mlflow::SetExperimentTag& edit) {
  auto experiment = co_await context_.experiments->resolve(route);
  if (!experiment) co_return made_of(std::move(experiment.error()));
  co_return made_of(co_await calls_.call("POST", "/api/2.0/mlflow/experiments/set-experiment-tag",
                                         set_tag_body(experiment->id, edit.key, edit.value)));
}

asio::awaitable<LooseWrites::Made> LooseWrites::remove_older(const Route& route,
                                                             const mlflow::TraceDelete& deletion) {
  auto experiment = co_await context_.experiments->resolve(route);
  if (!experiment) co_return made_of(std::move(experiment.error()));
  std::string body;
  JsonWriter json(body);
  json.begin_object()
      .field("experiment_id", experiment->id)
      .field("max_timestamp_millis", deletion.max_timestamp_ms);
  if (deletion.max_traces != 0) json.field("max_traces", deletion.max_traces);
  json.end_object();
  co_return made_of(co_await calls_.call("POST", "/api/2.0/mlflow/traces/delete-traces", std::move(body)));
}

asio::awaitable<LooseWrites::Made> LooseWrites::give_feedback(const Record& record,
                                                              const mlflow::FeedbackByRequest& feedback) {
  std::optional<TraceId> trace = find_here(feedback.client_request_id);
  if (!trace) {
    const auto found = co_await find_there(record.header.route, feedback.client_request_id);
    if (!found && found.error().action == Action::not_found) co_return Made{Reach::early, found.error()};
    if (!found) co_return made_of(found.error());
    trace = *found;
  }
  EditOutcome made =
      co_await edits_.assess(*trace, feedback.id, feedback.assessment, record.seq < end_at_start_);
  switch (made.kind) {
    case EditOutcome::Kind::done:
      co_return Made{Reach::done, {}};
    case EditOutcome::Kind::early:
      co_return Made{Reach::early, std::move(made.verdict)};
    case EditOutcome::Kind::refused:
      co_return Made{Reach::refused, std::move(made.verdict)};
    case EditOutcome::Kind::stopped:
      break;
  }
  co_return Made{};
}

// The newest of the traces that the local view lists.
std::optional<TraceId> LooseWrites::find_here(const std::string& client_request_id) const {
  std::optional<TraceId> found;
  const auto looked = spool::each_summary_of_request(context_.spool, client_request_id,
                                                     [&found](const spool::TraceSummary& trace) {
                                                       if (spool::is_there(trace)) found = trace.trace_id;
                                                       return !found;
                                                     });
  return looked ? found : std::nullopt;
}

asio::awaitable<std::expected<TraceId, Verdict>> LooseWrites::find_there(
    const Route& route, const std::string& client_request_id) {
  const auto value = in_quotes(client_request_id);
  if (!value)
    co_return std::unexpected(refusal("a request id with both kinds of quotes cannot be searched for"));
  auto experiment = co_await context_.experiments->resolve(route);
  if (!experiment) co_return std::unexpected(std::move(experiment.error()));
  if (searched_) {
    const auto wait = std::chrono::ceil<milliseconds>(*searched_ + kBetweenSearches - Clock::now());
    if (wait.count() > 0 && !co_await calls_.sleeps().sleep(wait)) co_return std::unexpected(Verdict{});
  }
  searched_ = Clock::now();
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("locations").begin_array().begin_object().field("type", "MLFLOW_EXPERIMENT");
  json.key("mlflow_experiment").begin_object().field("experiment_id", experiment->id).end_object();
  json.end_object().end_array();
  json.field("filter", "attributes.client_request_id = " + *value).field("max_results", 1);
  json.key("order_by").begin_array().value("timestamp_ms DESC").end_array().end_object();
  Verdict verdict = co_await calls_.call("POST", "/api/3.0/mlflow/traces/search", std::move(body));
  if (verdict.action != Action::done) co_return std::unexpected(std::move(verdict));
  if (const auto trace = first_trace_of(verdict.response.body)) co_return *trace;
  verdict.action = Action::not_found;
  verdict.reason = fmt::format("no trace with the request id {} is here or at {}",
                               client_request_id.substr(0, 128), context_.settings.url);
  co_return std::unexpected(std::move(verdict));
}

}  // namespace spanferry::uploader
