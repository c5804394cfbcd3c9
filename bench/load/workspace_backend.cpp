#include <chrono>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>
#include <simdjson.h>

#include "bench/load/backend.hpp"
#include "bench/load/checker.hpp"
#include "bench/load/http_text.hpp"
#include "model/ids.hpp"

namespace spanferry::bench {
namespace {

namespace dom = simdjson::dom;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::system_clock;

std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  if (!text.starts_with(before)) return {};
  text.remove_prefix(before.size());
  const std::size_t end = text.find(after);
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end);
}

Answer refusal(int status, std::string_view code) {
  return {status, "application/json", fmt::format(R"({{"error_code":"{}","message":"{}"}})", code, code)};
}

class WorkspaceBackend final : public Backend {
 public:
  explicit WorkspaceBackend(WorkspaceOptions options)
      : options_(std::move(options)), checker_(options_.check_later) {}

  Answer answer(const Request& request) override {
    const std::string_view path = request.target.substr(0, request.target.find('?'));
    if (path == "/api/3.0/mlflow/traces" && request.method == "POST") return start_trace(request.body);
    if (const auto trace = between(path, "/api/2.0/mlflow/traces/", "/credentials-for-data-upload");
        !trace.empty())
      return credentials(request, trace);
    if (path.starts_with("/storage/")) return upload(path.substr(9), request.body);
    if (path == "/api/2.0/otel/v1/traces") return spans(request);
    if (path.starts_with("/api/4.0/mlflow/traces/") && path.ends_with("/info")) return table_info(path);
    if (path.starts_with("/api/2.0/mlflow/experiments/get")) return experiment();
    ++others_;
    return refusal(404, "ENDPOINT_NOT_FOUND");
  }

  void add_stats(JsonWriter& json) const override {
    bench::add_stats(json, checker_.counts());
    json.field("experiment_lookups", lookups_).field("start_traces", start_traces_);
    json.field("credentials", credentials_).field("uploads", uploads_).field("otlp_requests", otlp_requests_);
    json.field("table_infos", infos_).field("other_requests", others_).field("rate_refusals", refusals_);
    json.field("traces", traces_.size());
    json.key("created_by_second").begin_array();
    for (const auto& [second, created] : created_) json.value(created);
    json.end_array();
  }

  [[nodiscard]] Comparison compare(const Ledger& ledger) const override { return checker_.compare(ledger); }

 private:
  Answer start_trace(std::string_view body) {
    const auto second = floor<seconds>(system_clock::now()).time_since_epoch().count();
    if (created_.empty()) created_.emplace_back(second, 0);
    while (created_.back().first < second) created_.emplace_back(created_.back().first + 1, 0);
    if (options_.creations_per_s > 0 && created_.back().second >= options_.creations_per_s) {
      ++refusals_;
      Answer later = refusal(429, "REQUEST_LIMIT_EXCEEDED");
      later.headers = "Retry-After: 1\r\n";
      return later;
    }
    dom::element info;
    std::string_view id;
    if (parser_.parse(body.data(), body.size())["trace"]["trace_info"].get(info) != simdjson::SUCCESS ||
        info["trace_id"].get(id) != simdjson::SUCCESS)
      return refusal(400, "INVALID_PARAMETER_VALUE");
    ++created_.back().second;
    ++start_traces_;
    traces_.emplace(id);
    return {200, "application/json",
            fmt::format(R"({{"trace":{{"trace_info":{}}}}})", simdjson::to_string(info))};
  }

  Answer credentials(const Request& request, std::string_view trace) {
    if (!traces_.contains(std::string(trace))) return refusal(404, "RESOURCE_DOES_NOT_EXIST");
    ++credentials_;
    return {200, "application/json",
            fmt::format(R"({{"credential_info":{{"type":"GCP_SIGNED_URL","headers":[],)"
                        R"("signed_uri":"http://{}/storage/{}"}}}})",
                        header(request.head, "Host"), trace)};
  }

  Answer upload(std::string_view trace, std::string_view body) {
    dom::array spans;
    if (!traces_.contains(std::string(trace)) ||
        parser_.parse(body.data(), body.size())["spans"].get(spans) != simdjson::SUCCESS)
      return refusal(400, "INVALID_PARAMETER_VALUE");
    ++uploads_;
    for (const dom::element span : spans) {
      std::string_view trace_id, span_id;
      if (span["trace_id"].get(trace_id) != simdjson::SUCCESS ||
          span["span_id"].get(span_id) != simdjson::SUCCESS)
        return refusal(400, "INVALID_PARAMETER_VALUE");
      checker_.take(TraceId::from_raw(base64_decode(trace_id).value_or("")).value_or(TraceId{}),
                    SpanId::from_raw(base64_decode(span_id).value_or("")).value_or(SpanId{}));
    }
    return {200, "application/xml", ""};
  }

  Answer spans(const Request& request) {
    if (header(request.head, "X-Databricks-UC-Table-Name") != options_.table_prefix + "_otel_spans")
      return refusal(404, "NOT_FOUND");
    ++otlp_requests_;
    if (!checker_.take(request.body, false)) return refusal(400, "INVALID_PARAMETER_VALUE");
    return {200, "application/x-protobuf", ""};
  }

  // As the workspace does, with the trace it was told.
  Answer table_info(std::string_view path) {
    ++infos_;
    path.remove_suffix(std::string_view("/info").size());
    return {200, "application/json", fmt::format(R"({{"trace_id":"{}"}})", path.substr(path.rfind('/') + 1))};
  }

  Answer experiment() {
    ++lookups_;
    const std::string tags =
        options_.table_prefix.empty()
            ? ""
            : fmt::format(
                  R"({{"key":"mlflow.experiment.databricksTraceSpanStorageTable","value":"{0}_otel_spans"}},)"
                  R"({{"key":"mlflow.experiment.databricksTraceDestinationPath","value":"{0}"}})",
                  options_.table_prefix);
    return {200, "application/json",
            fmt::format(R"({{"experiment":{{"experiment_id":"1","name":"bench","lifecycle_stage":"active",)"
                        R"("tags":[{}]}}}})",
                        tags)};
  }

  const WorkspaceOptions options_;
  Checker checker_;
  dom::parser parser_;
  std::unordered_set<std::string> traces_;                       // their ids
  std::vector<std::pair<std::int64_t, std::uint64_t>> created_;  // second of the clock, StartTraces taken
  std::uint64_t lookups_ = 0, start_traces_ = 0, credentials_ = 0, uploads_ = 0, otlp_requests_ = 0,
                infos_ = 0, others_ = 0, refusals_ = 0;
};

}  // namespace

std::unique_ptr<Backend> make_workspace_backend(WorkspaceOptions options) {
  return std::make_unique<WorkspaceBackend>(std::move(options));
}

}  // namespace spanferry::bench
