#include "ingest/mlflow_api/far_trace.hpp"

#include <chrono>

#include <fmt/format.h>

#include "ingest/mlflow_api/trace_json.hpp"
#include "model/json_object.hpp"
#include "model/mlflow_json.hpp"
#include "model/percent_encode.hpp"

namespace spanferry::ingest {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Done = std::move_only_function<void(FarTrace)>;

constexpr milliseconds kWithin{2000};
constexpr milliseconds kFileWithin{10'000};  // it may be large, and no app waits for one
constexpr milliseconds kWorthAsking{200};
constexpr std::size_t kMaxBytes = 64U << 20;

FarTrace unanswered() { return {.info = {}, .spans = {}, .partial = true}; }

void take_spans(FarTrace& trace, Result<std::vector<mlflow::StoredSpan>> spans) {
  trace.partial = !spans.has_value();
  if (spans) trace.spans = *std::move(spans);
}

// {"trace_info": …, "spans": …}
FarTrace read_parts(const JsonObject& parts) {
  FarTrace trace;
  const std::string* info = parts.find("trace_info");
  if (info == nullptr) return unanswered();
  trace.info = *info;
  if (const std::string* spans = parts.find("spans")) take_spans(trace, parse_otlp_spans(*spans));
  return trace;
}

// {"trace": {"trace_info": …, "spans": …}}
FarTrace read_trace(const Result<WorkspaceAnswer>& answer) {
  if (!answer) return unanswered();
  if (answer->status == 404) return {};
  if (answer->status != 200) return unanswered();
  const auto body = JsonObject::parse(answer->body, "the answer");
  const std::string* trace = body ? body->find("trace") : nullptr;
  if (trace == nullptr) return unanswered();
  const auto parts = JsonObject::parse(*trace, "the trace");
  return parts ? read_parts(*parts) : unanswered();
}

// {"traces": [{"trace_info": …, "spans": …}]}, of one.
FarTrace read_batch(const Result<WorkspaceAnswer>& answer) {
  if (!answer || (answer->status != 200 && answer->status != 404)) return unanswered();
  if (answer->status == 404) return {};
  const auto body = JsonObject::parse(answer->body, "the answer");
  if (!body) return unanswered();
  const auto traces = body->list("traces");
  if (traces.empty()) return {};
  const auto parts = JsonObject::parse(traces.front(), "the trace");
  return parts ? read_parts(*parts) : unanswered();
}

WorkspaceRequest get(std::string path, milliseconds deadline) {
  WorkspaceRequest request;
  request.path = std::move(path);
  request.deadline = deadline;
  request.max_answer_bytes = kMaxBytes;
  return request;
}

WorkspaceRequest download(const TraceId& id, std::string_view path, milliseconds deadline) {
  auto request = get(fmt::format("/api/2.0/mlflow/traces/tr-{}/credentials-for-data-download{}{}", id.hex(),
                                 path.empty() ? "" : "?path=", percent_encode(path)),
                     deadline);
  request.behind_signed_address = true;
  return request;
}

struct Asking {
  Api& api;
  TraceId id;
  bool with_spans;
  Clock::time_point until = Clock::now() + kWithin;

  [[nodiscard]] milliseconds left() const {
    return std::chrono::duration_cast<milliseconds>(until - Clock::now());
  }
  // For another question: one that cannot be answered in time would make the far side count as away.
  [[nodiscard]] bool has_time() const { return left() >= kWorthAsking; }
  [[nodiscard]] std::string v3_path() const {
    return fmt::format("/api/3.0/mlflow/traces/tr-{0}?trace_id=tr-{0}", id.hex());
  }
};

// The span file of experiment storage; a trace whose file has not come yet has none.
void read_span_file(const Asking& asking, FarTrace trace, Done done) {
  if (!asking.has_time()) {
    trace.partial = true;
    return done(std::move(trace));
  }
  asking.api.reader()->read(
      download(asking.id, "", asking.left()),
      [trace = std::move(trace), done = std::move(done)](Result<WorkspaceAnswer> answer) mutable {
        if (answer && answer->status == 200) {
          take_spans(trace, mlflow::parse_spans_file(answer->body));
        } else {
          trace.partial = !answer || answer->status != 404;
        }
        done(std::move(trace));
      });
}

void read_experiment_storage(const Asking& asking, Done done) {
  if (!asking.has_time()) return done(unanswered());
  asking.api.reader()->read(get(asking.v3_path(), asking.left()),
                            [asking, done = std::move(done)](Result<WorkspaceAnswer> answer) mutable {
                              auto trace = read_trace(answer);
                              if (!asking.with_spans || !trace.info) return done(std::move(trace));
                              read_span_file(asking, std::move(trace), std::move(done));
                            });
}

void read_table(const Asking& asking, const TracePlace& place, Done done) {
  const std::string base = "/api/4.0/mlflow/traces/" + percent_encode(place.location);
  const bool whole = asking.with_spans;
  std::string path = whole ? fmt::format("{}/batchGet?location_id={}&trace_ids={}", base,
                                         percent_encode(place.location), asking.id.hex())
                           : fmt::format("{}/{}/info", base, asking.id.hex());
  if (!place.warehouse.empty())
    path += fmt::format("{}sql_warehouse_id={}", whole ? '&' : '?', percent_encode(place.warehouse));
  asking.api.reader()->read(get(std::move(path), asking.left()),
                            [asking, is_a_guess = place.is_a_guess,
                             done = std::move(done)](Result<WorkspaceAnswer> answer) mutable {
                              auto trace = asking.with_spans ? read_batch(answer) : read_trace(answer);
                              if (is_a_guess && !trace.info && !trace.partial)
                                return read_experiment_storage(asking, std::move(done));
                              done(std::move(trace));
                            });
}

}  // namespace

void read_far_trace(Api& api, const TraceId& id, const TracePlace& place, bool with_spans,
                    std::move_only_function<void(FarTrace)> done) {
  if (!api.may_ask()) return done(unanswered());
  const Asking asking{api, id, with_spans};
  if (api.far_side.kind == WorkspaceReader::Kind::databricks) {
    if (place.location.empty()) return read_experiment_storage(asking, std::move(done));
    return read_table(asking, place, std::move(done));
  }
  auto path = with_spans
                  ? fmt::format("/api/3.0/mlflow/traces/get?trace_id=tr-{}&allow_partial=true", id.hex())
                  : asking.v3_path();
  api.reader()->read(
      get(std::move(path), asking.left()),
      [done = std::move(done)](Result<WorkspaceAnswer> answer) mutable { done(read_trace(answer)); });
}

void read_far_file(Api& api, const TraceId& id, const std::string& experiment, const std::string& path,
                   std::move_only_function<void(Result<WorkspaceAnswer>)> done) {
  if (!api.may_ask()) return done(fail(ErrorKind::unavailable, "the destination is away"));
  if (api.far_side.kind == WorkspaceReader::Kind::databricks)
    return api.reader()->read(download(id, path, kFileWithin), std::move(done));
  const auto known = api.experiments.by_id(experiment);
  const std::string& there = known && !known->far_id.empty() ? known->far_id : experiment;
  api.reader()->read(get(fmt::format("/api/2.0/mlflow-artifacts/artifacts/{}/traces/tr-{}/artifacts/{}",
                                     percent_encode(there), id.hex(), path),
                         kFileWithin),
                     std::move(done));
}

}  // namespace spanferry::ingest
