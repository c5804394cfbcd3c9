// A workspace in memory behind the Sender's interface, and traces to send there.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "model/clock.hpp"
#include "model/mlflow_json.hpp"
#include "model/mlflow_table.hpp"
#include "tests/unit/model/otlp_builder.hpp"
#include "tests/unit/uploader/memory_spool.hpp"
#include "uploader/track.hpp"

namespace spanferry::testing {

using uploader::Action;
using uploader::Surface;
using uploader::Verdict;

inline Verdict answer(int status, std::string body = {}) {
  Verdict verdict;
  verdict.action = Action::done;
  verdict.status = status;
  verdict.response.status = status;
  verdict.response.body = std::move(body);
  return verdict;
}
inline Verdict refusal(Action action, int status) {
  Verdict verdict;
  verdict.action = action;
  verdict.status = status;
  verdict.reason = "HTTP " + std::to_string(status);
  return verdict;
}

class FakeWorkspace final : public uploader::Sender {
 public:
  struct Call {
    Surface surface;
    std::string what;  // "METHOD URL"
    std::string body;
  };

  boost::asio::awaitable<Verdict> send(Surface surface, std::function<net::HttpRequest()> make,
                                       uploader::Scope /*scope*/, uploader::Tries /*tries*/) override {
    const auto sent = std::chrono::steady_clock::now();
    const net::HttpRequest request = make();
    Call call{surface, request.method + " " + request.url, {}};
    for (const auto& piece : request.body) call.body += *piece;
    if (on_its_way) co_await on_its_way();
    calls.push_back(call);
    if (intervene) {
      if (auto verdict = intervene(call)) {
        verdict->sent = sent;
        co_return *std::move(verdict);
      }
    }
    Verdict verdict = serve(call);
    verdict.sent = sent;
    if (on_its_way) co_await on_its_way();
    co_return verdict;
  }
  boost::asio::awaitable<bool> open() override { co_return true; }
  boost::asio::awaitable<bool> pause_config(std::string reason,
                                            std::function<boost::asio::awaitable<bool>()> probe) override {
    pauses.push_back(std::move(reason));
    for (int i = 0; i < 100; ++i) {
      if (co_await probe()) co_return true;
    }
    co_return false;
  }
  [[nodiscard]] bool has_room() const override { return room; }
  void listen(std::function<void()> when_room) override { tell_of_room = std::move(when_room); }
  uploader::Health& health() override { return health_; }

  // Calls whose "METHOD URL" holds `text`.
  [[nodiscard]] std::vector<Call> calls_of(std::string_view text) const {
    std::vector<Call> found;
    for (const Call& call : calls) {
      if (call.what.find(text) != std::string::npos) found.push_back(call);
    }
    return found;
  }
  [[nodiscard]] std::vector<mlflow::StoredSpan> spans_of(const TraceId& trace) const {
    const auto it = files.find(mlflow::trace_name_of(trace));
    if (it == files.end()) return {};
    return mlflow::parse_spans_file(it->second).value_or(std::vector<mlflow::StoredSpan>{});
  }

  std::function<std::optional<Verdict>(const Call&)> intervene;
  bool room = true;
  std::function<void()> tell_of_room;
  std::function<boost::asio::awaitable<void>()> on_its_way;  // of a request, and of its answer
  std::vector<Call> calls;
  std::vector<std::string> pauses;
  // What is there of a trace, every StartTrace and tag merged.
  mlflow::KnownInfo& known(const std::string& trace) {
    const auto [it, fresh] = known_.try_emplace(trace);
    if (fresh && infos.contains(trace)) it->second = *mlflow::parse_trace_info(infos.at(trace));
    return it->second;
  }

  void forget() { infos.clear(), files.clear(), known_.clear(); }

  std::map<std::string, std::string> infos;        // by trace: the body of the last StartTrace
  std::map<std::string, std::string> files;        // by trace
  std::vector<std::pair<TraceId, SpanId>> rows;    // of all tables
  std::map<std::string, std::string> table_infos;  // by trace, in hex: the body of the last V4 info

 private:
  Verdict serve(const Call& call) {
    const auto id_in = [&call] { return call.what.substr(call.what.find("tr-"), 35); };
    if (call.surface == Surface::storage) {
      if (call.what.starts_with("PUT")) {
        files[id_in()] = call.body;
        return answer(200);
      }
      return files.contains(id_in()) ? answer(200, files[id_in()]) : refusal(Action::split, 404);
    }
    if (call.what.ends_with("/otel/v1/traces")) {
      const auto request = decode_traces_request(call.body);
      for (const Span& span : request->spans) rows.emplace_back(span.trace_id, span.span_id);
      return answer(200);
    }
    if (call.what.find("/api/4.0/") != std::string::npos) {
      const auto path = call.what.substr(0, call.what.rfind('/'));
      if (call.what.ends_with("/info")) table_infos[path.substr(path.rfind('/') + 1)] = call.body;
      return answer(200, call.body);
    }
    if (call.what.starts_with("POST")) {
      const std::string id = call.body.substr(call.body.find("tr-"), 35);
      mlflow::KnownInfo told = *mlflow::parse_trace_info(call.body);
      if (infos.contains(id)) {
        told.metadata.merge(known(id).metadata);
        told.tags.merge(known(id).tags);
      }
      infos[id] = call.body;
      known(id) = std::move(told);
      return answer(200, text_of(id));
    }
    if (!infos.contains(id_in())) return refusal(Action::not_found, 404);
    if (call.what.ends_with("/tags")) return change_tag(id_in(), call);
    if (call.what.find("credentials-for-data") == std::string::npos) return answer(200, text_of(id_in()));
    return answer(200, R"({"credential_info":{"type":"AWS_PRESIGNED_URL","signed_uri":"https://store/)" +
                           id_in() + R"(?sig=1","headers":[{"name":"x-amz-thing","value":"v"}]}})");
  }

  Verdict change_tag(const std::string& id, const Call& call) {
    const auto field = [&call](std::string_view name) {
      const auto from = call.body.find(std::string(name) + "\":\"") + name.size() + 3;
      return call.body.substr(from, call.body.find('"', from) - from);
    };
    if (call.what.starts_with("PATCH")) {
      known(id).tags[field("key")] = field("value");
      return answer(200, "{}");
    }
    return known(id).tags.erase(field("key")) == 1 ? answer(200, "{}") : refusal(Action::not_found, 404);
  }
  std::string text_of(const std::string& id) {
    const mlflow::KnownInfo& there = known(id);
    mlflow::TraceInfo info;
    info.trace_id = id;
    info.client_request_id = there.client_request_id;
    info.request_time_ms = there.request_time_ms;
    info.execution_duration_ms = there.execution_duration_ms;
    info.state = mlflow::state_named(there.state);
    info.metadata = there.metadata;
    info.tags = there.tags;
    return mlflow::start_trace_body(info, there.experiment_id, mlflow::WithTags::yes);
  }

  std::map<std::string, mlflow::KnownInfo> known_;
  uploader::Health health_{"workspace"};
};

class FakeExperiments final : public uploader::Experiments {
 public:
  boost::asio::awaitable<std::expected<uploader::Experiment, Verdict>> resolve(const Route& route) override {
    ++lookups;
    if (!table.empty()) {
      const auto location = mlflow::table_location({}, table);
      co_return uploader::Experiment{"1", location.spans_table, location.path, linked_since};
    }
    if (impossible) co_return std::unexpected(*impossible);
    co_return uploader::Experiment{route.experiment_id.empty() ? "1" : route.experiment_id};
  }
  void forget(const Route& /*route*/) override { ++forgotten; }

  int lookups = 0, forgotten = 0;
  std::string table;  // linked to that one
  Seq linked_since = 0;
  std::optional<Verdict> impossible;
};

inline TraceId trace_of(std::uint32_t n) { return *TraceId::from_raw(trace_number(n)); }
inline SpanId span_id(std::uint8_t n) {
  SpanId id;
  id.bytes[7] = n;
  return id;
}

// A span of trace number `trace`; parent 0: a root.
inline Message trace_span(std::uint32_t trace, std::uint8_t id, std::uint8_t parent,
                          std::string_view name = "s") {
  Message message = span(trace_number(trace), span_id(id).raw(), name);
  if (parent != 0) message.bytes(otlp::span::kParentSpanId, span_id(parent).raw());
  return message;
}

struct TraceFixture : ::testing::Test {
  boost::asio::io_context io;
  MemorySpool spool;
  FakeWorkspace workspace;
  FakeExperiments experiments;
  uploader::DestinationSettings settings;
  uploader::ContextDefaults defaults;
  std::unique_ptr<uploader::HeldRoutes> routes;  // of one process: what listens to them ends with it
  uploader::FileStore file_store;
  std::unique_ptr<uploader::Track> track;

  TraceFixture() {
    make_routes();
    settings.name = "workspace";
    settings.kind = uploader::Kind::databricks;
    settings.url = "https://workspace";
    settings.from = uploader::From::oldest;
    settings.assemble.quiet = std::chrono::milliseconds(1);
  }
  ~TraceFixture() override { stop(); }

  uploader::TrackContext context() {
    return {io, spool, settings, defaults, workspace, &experiments, routes.get(), nullptr, &file_store};
  }
  void start() {
    track = uploader::make_databricks_track(context());
    track->start();
  }
  void stop() {
    if (!track) return;
    track->stop();
    routes->stop();
    io.restart();
    io.run();  // returns: nothing is left waiting
    track.reset();
    make_routes();
  }
  void make_routes() {
    routes = std::make_unique<uploader::HeldRoutes>(
        io, "workspace", net::BackoffSettings{std::chrono::milliseconds(5), std::chrono::milliseconds(20)});
  }
  void append(std::initializer_list<Message> spans, Route route = {}) {
    spool::Entry entry;
    entry.payload = std::make_shared<const std::string>(request_of(spans));
    entry.header.route = std::move(route);
    entry.header.received_ns = unix_now_ns();
    const auto decoded = decode_traces_request(*entry.payload);
    for (const Span& s : decoded->spans) {
      ++entry.header.span_count;
      if (std::ranges::find(entry.traces, s.trace_id) == entry.traces.end())
        entry.traces.push_back(s.trace_id);
    }
    std::vector<spool::Entry> entries;
    entries.push_back(std::move(entry));
    spool.append(std::move(entries), {});
    if (track) track->records_arrived();
  }
  // False: not within a minute.
  bool run_until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io.restart();
    while (!holds() && std::chrono::steady_clock::now() < deadline)
      io.run_one_for(std::chrono::milliseconds(50));
    return holds();
  }
  bool run_until_settled() {
    return run_until([this] { return track->cursor().lag_records() == 0; });
  }
  SpanCounts settled() { return track->cursor().accounting().settled; }
};

}  // namespace spanferry::testing
