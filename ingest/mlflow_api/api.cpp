#include "ingest/mlflow_api/api.hpp"

#include "ingest/counters.hpp"
#include "ingest/limits.hpp"
#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/search_desk.hpp"
#include "model/clock.hpp"
#include "model/hash64.hpp"
#include "model/mlflow_table.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::chrono::seconds kFirstAnswer{5};  // since the start: so long the far side may be worth a wait

// With a byte after it that ends no text: where one ends and the next begins counts.
std::uint64_t hash_part(std::string_view part, std::uint64_t state) {
  return fnv1a("\xff", fnv1a(part, state));
}

}  // namespace

Api::Api(spool::Spool& the_spool, WorkspaceReader* reader, ApiSettings settings)
    : spool(the_spool),
      far_side(std::move(settings)),
      experiments(the_spool, far_side.destination.empty() ? "local" : far_side.destination),
      now_ms(unix_now_ms),
      reader_(reader),
      searches(std::make_unique<SearchDesk>()) {}

Api::~Api() = default;

bool Api::may_ask() const {
  if (is_local() || reader_ == nullptr) return false;
  const auto state = reader_->state();
  return state == WorkspaceReader::State::ok || (state == WorkspaceReader::State::unproven &&
                                                 std::chrono::steady_clock::now() - started_ < kFirstAnswer);
}

Result<> Api::load() {
  if (auto loaded = experiments.load(); !loaded) return loaded;
  if (auto loaded = signer.load(spool); !loaded) return loaded;
  if (is_local() && experiments.size() == 0) {
    Experiment first;
    first.name = "Default";
    first.created_ms = first.updated_ms = now_ms();
    experiments.put(std::move(first));
  }
  return {};
}

spool::Entry Api::entry(const Call& call, RecordKind kind, std::string payload,
                        const std::optional<TraceId>& trace, Route route) const {
  spool::Entry entry;
  entry.header.kind = kind;
  entry.header.source = Source::http;
  entry.header.received_ns = now_ms() * 1'000'000;
  entry.header.route = std::move(route);
  entry.header.client = call.client.substr(0, kMaxClientBytes);
  if (trace) {
    entry.header.only_trace = trace;
    entry.header.trace_count = 1;
    entry.traces.push_back(*trace);
  }
  entry.payload = std::make_shared<const std::string>(std::move(payload));
  return entry;
}

Response Api::refusal(const Error& error, std::string_view client) {
  auto answer = answer_of(error);
  if (answer.status != 503 || !patience.is_over(now_ms()) || !repeats_in_the_app(client)) return answer;
  auto give_up = error_answer(400, "RESOURCE_EXHAUSTED", error.sentence);
  give_up.rejection = answer.rejection;
  return give_up;
}

void Api::keep(const Call& call, std::vector<spool::Entry> entries, Response answer, Reply reply, Kept kept) {
  std::uint64_t spans = 0;
  for (const auto& entry : entries) spans += entry.header.span_count;
  answer.accepted_spans = spans;
  spool.append(std::move(entries),
               [this, client = std::string(call.client), answer = std::move(answer), reply = std::move(reply),
                kept = std::move(kept)](Result<spool::Appended> appended) mutable {
                 if (!appended) return reply(refusal(appended.error(), client));
                 if (kept) kept(appended->last);
                 patience.renew();
                 reply(std::move(answer));
               });
}

void Api::keep(const Call& call, spool::Entry entry, Response answer, Reply reply, Kept kept) {
  std::vector<spool::Entry> entries;
  entries.push_back(std::move(entry));
  keep(call, std::move(entries), std::move(answer), std::move(reply), std::move(kept));
}

std::string experiment_of(const Api& api, const LocalTrace& trace) {
  const auto known_as = [&api](const std::string& id) {
    const auto experiment = api.experiments.by_id(id);
    return experiment ? experiment->id : id;
  };
  if (!trace.info.experiment_id.empty()) return known_as(trace.info.experiment_id);
  const std::string& name =
      trace.route.experiment_name.empty() ? api.far_side.experiment : trace.route.experiment_name;
  if (!name.empty())
    if (const auto experiment = api.experiments.by_name(name)) return experiment->id;
  return api.far_side.experiment_id.empty() ? "0" : known_as(api.far_side.experiment_id);
}

Route route_of(const Call& call) {
  Route route;
  if (!call.location.empty()) route.table = mlflow::table_location(call.location, "").spans_table;
  return route;
}

std::uint64_t idempotency_id(const Call& call) {
  const std::uint64_t hash = hash_part(call.body, hash_part(call.path, hash_part(call.method, kFnvStart)));
  return hash == 0 ? 1 : hash;
}

}  // namespace spanferry::ingest
