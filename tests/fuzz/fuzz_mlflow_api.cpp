// The MLflow API: any request is answered once, in MLflow's words; a refusal leaves nothing, and whatever was
// kept can be read back. An input is three lines and a body: whose client and which far side, method and
// target, content type.
#include <cstddef>
#include <cstdint>
#include <future>

#include <simdjson.h>

#include "ingest/endpoint_table.hpp"
#include "ingest/mlflow_api/api.hpp"
#include "model/mlflow_json.hpp"
#include "model/mlflow_write.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/unit/ingest/fake_spool.hpp"

namespace spanferry::fuzz {
namespace {

using ingest::WorkspaceReader;

constexpr std::string_view kTrace = "tr-0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view kPython = "mlflow-python-client/3.17.2";
constexpr std::string_view kDatabricks =
    "unknown/0.0.0 databricks-sdk-py/0.156.0 python/3.11.7 os/linux auth/pat";

// A far side that is never asked: what is known here must do.
class AwayWorkspace final : public WorkspaceReader {
 public:
  [[nodiscard]] State state() const override { return State::away; }
  [[nodiscard]] Kind kind() const override { return Kind::mlflow; }
  [[nodiscard]] std::string destination() const override { return "server"; }
  [[nodiscard]] bool settled(const TraceId&, const std::vector<Seq>&) const override { return false; }
  void read(ingest::WorkspaceRequest,
            std::move_only_function<void(Result<ingest::WorkspaceAnswer>)>) override {
    require(false, "a far side that is away is not asked");
  }
};

class Server {
 public:
  explicit Server(bool is_local) : api_(spool_, &far_, settings(is_local)), table_(endpoints(api_)) {
    api_.now_ms = [] { return 1'795'486'846'000; };
    require(api_.load().has_value(), "an empty spool loads");
  }

  ingest::Response call(std::string_view method, std::string_view target, std::string_view body,
                        std::string_view client = kPython,
                        std::string_view content_type = "application/json") {
    const auto question = std::min(target.find('?'), target.size());
    const std::string path = ingest::percent_decode(target.substr(0, question));
    const auto match = table_.find(method, path);
    if (match.endpoint == nullptr) return {.status = 405, .content_type = "", .body = ""};
    ingest::Request request;
    request.method = method;
    request.path = path;
    request.query = target.substr(std::min(question + 1, target.size()));
    request.body = body;
    request.user_agent = client;
    request.host = "localhost:4318";
    request.content_type = content_type;
    request.from_loopback = true;
    std::promise<ingest::Response> said;
    match.endpoint->handle(request, [&said](ingest::Response answer) { said.set_value(std::move(answer)); });
    return said.get_future().get();
  }
  [[nodiscard]] std::vector<Record> records() const { return spool_.records(); }
  void keep(const std::vector<Record>& records) {
    std::vector<spool::Entry> entries;
    for (const Record& record : records) {
      auto& entry = entries.emplace_back();
      entry.header = record.header;
      entry.payload = record.payload;
      if (record.header.only_trace) entry.traces.push_back(*record.header.only_trace);
    }
    std::promise<void> kept;
    spool_.append(std::move(entries), [&kept](const auto& appended) {
      require(appended.has_value(), "a spool in memory takes all");
      kept.set_value();
    });
    kept.get_future().get();
  }

 private:
  static ingest::ApiSettings settings(bool is_local) {
    ingest::ApiSettings settings;
    settings.kind = is_local ? WorkspaceReader::Kind::local : WorkspaceReader::Kind::mlflow;
    if (!is_local) settings.destination = "server";
    settings.experiment = "configured";
    return settings;
  }
  static std::vector<ingest::Endpoint> endpoints(ingest::Api& api) {
    auto all = ingest::mlflow_endpoints(api);
    all.push_back(ingest::feedback_endpoint(api));
    return all;
  }

  test::FakeSpool spool_;
  AwayWorkspace far_;
  ingest::Api api_;
  ingest::EndpointTable table_;
};

void require_json(const ingest::Response& answer) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  require(parser.parse(answer.body.data(), answer.body.size()).get(document) == simdjson::SUCCESS,
          "an answer in JSON is JSON");
  if (answer.status < 400) return;
  for (const char* key : {"error_code", "message"}) {
    std::string_view text;
    require(document.at_key(key).get_string().get(text) == simdjson::SUCCESS && !text.empty(),
            "a refusal says error_code and message");
  }
}

void require_readable(const Record& record) {
  const std::string& payload = *record.payload;
  switch (record.header.kind) {
    case RecordKind::trace_info:
      return require(mlflow::parse_written_info(payload).has_value(), "a trace info that was kept is one");
    case RecordKind::trace_data:
      return require(mlflow::parse_spans_file(payload).has_value(), "a span file that was kept is one");
    case RecordKind::trace_edit:
      return require(mlflow::parse_trace_edit(payload).has_value(), "an edit that was kept is one");
    case RecordKind::trace_delete:
      return require(mlflow::parse_trace_delete(payload).has_value(), "a deletion that was kept is one");
    case RecordKind::experiment_edit:
      return require(mlflow::parse_experiment_edit(payload).has_value(), "an experiment's edit is one");
    case RecordKind::artifact:
      return require(mlflow::parse_artifact(payload).has_value(), "a file that was kept is one");
    case RecordKind::spans:
      return require(false, "OTLP has another door");
  }
}

// A trace with all that a request may be about: info, spans, an assessment, a file; and an experiment's id is
// 0.
void write_trace(Server& server) {
  const std::string path =
      "/api/2.0/mlflow-artifacts/artifacts/0/traces/" + std::string(kTrace) + "/artifacts/";
  const std::string traces = "/api/3.0/mlflow/traces";
  const auto ok = [](const ingest::Response& answer) { require(answer.status == 200, "the trace is taken"); };
  ok(server.call(
      "POST", traces,
      R"({"trace":{"trace_info":{"trace_id":"tr-0af7651916cd43dd8448eb211c80319c","state":"OK",)"
      R"("client_request_id":"req-1","request_time":"2026-11-24T02:20:46.125Z","tags":{"k":"v"},)"
      R"("trace_location":{"type":"MLFLOW_EXPERIMENT","mlflow_experiment":{"experiment_id":"0"}}}}})"));
  ok(server.call("PUT", path + "traces.json",
                 R"({"spans":[{"trace_id":"CvdlGRbNQ92ESOshHIAxnA==","span_id":"AAAAAAAAAAE=",)"
                 R"("parent_span_id":null,"name":"s","start_time_unix_nano":5,"end_time_unix_nano":9,)"
                 R"("attributes":{"mlflow.traceRequestId":"\"tr-0af7651916cd43dd8448eb211c80319c\""}}]})"));
  ok(server.call("PUT", path + "attachments/one", "bytes", kPython, "image/png"));
  ok(server.call(
      "POST", traces + "/" + std::string(kTrace) + "/assessments",
      R"({"assessment":{"assessment_id":"a-1","assessment_name":"good","feedback":{"value":true}}})"));
}

// Its records, written once: a quarter of an execution's time was that.
const std::vector<Record>& written_trace(bool is_local) {
  const auto write = [](bool local) {
    Server server(local);
    write_trace(server);
    return server.records();
  };
  static const std::vector<Record> local = write(true), away = write(false);
  return is_local ? local : away;
}

std::string_view line(std::string_view& rest) {
  const auto end = std::min(rest.find('\n'), rest.size());
  const auto first = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return first;
}

void check(std::string_view input) {
  const auto who = line(input), where = line(input), content_type = line(input);
  const auto space = std::min(where.find(' '), where.size());
  const auto method = where.substr(0, space);
  const auto target = where.substr(std::min(space + 1, where.size()));

  const bool is_local = !who.contains("away");
  Server server(is_local);
  server.keep(written_trace(is_local));
  const std::size_t before = server.records().size();
  const auto client = who.contains("databricks") ? kDatabricks : kPython;
  const auto answer = server.call(method, target, input, client, content_type);
  const auto records = server.records();
  require(answer.status < 400 || records.size() == before, "a refusal leaves nothing");
  require(answer.status != 500, "nothing of this is our own doing");
  const bool is_file = target.contains("/attachments/") && answer.status == 200;
  if (answer.content_type == "application/json" && !is_file) require_json(answer);
  for (std::size_t i = before; i < records.size(); ++i) require_readable(records[i]);

  for (const std::string_view above : {"/api/3.0/mlflow/traces/get?trace_id=", "/api/3.0/mlflow/traces/"}) {
    const auto read = server.call("GET", std::string(above) + std::string(kTrace), "");
    require(read.status == 200 || read.status == 404, "the trace is read, or was deleted");
    require_json(read);
  }
  const auto found =
      server.call("POST", "/api/3.0/mlflow/traces/search",
                  R"({"locations":[{"mlflow_experiment":{"experiment_id":"0"}}],"max_results":10})");
  require(found.status == 200, "a search finds what is there");
  require_json(found);
}

}  // namespace
}  // namespace spanferry::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  spanferry::fuzz::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
