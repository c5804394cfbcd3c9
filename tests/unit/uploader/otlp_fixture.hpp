// A track of kind otlp or mlflow against a scripted server and a spool in memory.
#pragma once

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/net/scripted_server.hpp"
#include "tests/unit/uploader/memory_spool.hpp"
#include "tests/unit/uploader/spans.hpp"
#include "uploader/http_sender.hpp"
#include "uploader/mlflow_experiments.hpp"
#include "uploader/track.hpp"

namespace spanferry::uploader {

using namespace spanferry::testing;  // NOLINT: builders
namespace asio = boost::asio;
using std::chrono::milliseconds;

class OtlpTrackTest : public ::testing::Test {
 protected:
  OtlpTrackTest() {
    settings.name = "there";
    settings.kind = Kind::otlp;
    settings.url = server.url();
    settings.compression = "none";
    settings.concurrency = 4;
    settings.max_batch_bytes = 64U << 10;
  }
  void TearDown() override { stop(); }

  void start() {
    SenderTuning tuning;
    tuning.retry = tuning.pause = {milliseconds(1), milliseconds(3)};
    sender = std::make_unique<HttpSender>(io, settings, "me", tuning);
    if (settings.kind == Kind::mlflow)
      experiments = std::make_unique<MlflowExperiments>(settings, spool, *sender);
    routes =
        std::make_unique<HeldRoutes>(io, "there", net::BackoffSettings{milliseconds(5), milliseconds(20)});
    track = make_otlp_track({io, spool, settings, context, *sender, experiments.get(),
                             settings.kind == Kind::mlflow ? routes.get() : nullptr, nullptr,
                             settings.kind == Kind::mlflow ? &file_store : nullptr});
    track->start();
  }
  void stop() {
    if (!track) return;
    track->stop();
    sender->stop();
    routes->stop();
    server.stop();
    io.restart();
    EXPECT_TRUE(run_until(io, [&] { return io.stopped(); })) << "a coroutine does not end";
    track.reset();
    sender.reset();
  }
  void append(const std::vector<TestSpan>& spans, const Route& route = {}) {
    for (const TestSpan& span : spans) appended.insert({span.trace, span.span});
    std::vector<spool::Entry> entries;
    entries.push_back(entry_of(spans, route));
    spool.append(std::move(entries), {});
    if (track) track->records_arrived();
  }
  // Stores what comes, unless `refuse` says a status for a span of it: then that, for the whole request.
  Answer store(const Received& r) {
    const std::string body = r.headers.contains("content-encoding") ? gunzip(r.body) : r.body;
    const auto spans = spans_in(body);
    for (const auto& [key, name] : spans)
      if (const int status = refuse ? refuse(name) : 0; status != 0)
        return {.status = status, .body = "refused " + name};
    for (const auto& [key, name] : spans) {
      ++times[key];
      if (const auto header = r.headers.find("x-mlflow-experiment-id"); header != r.headers.end())
        experiment_of[key] = header->second;
    }
    return {};
  }
  std::set<SpanKey> stored() const {
    std::set<SpanKey> out;
    for (const auto& [key, n] : times) out.insert(key);
    return out;
  }
  MemoryCursor& cursor() { return spool.cursor_of("there"); }
  bool settled() { return cursor().position() == spool.end(); }
  void expect_accounted() {
    const Accounting accounting = cursor().accounting();
    EXPECT_EQ(accounting.pending, 0U);
    EXPECT_EQ(accounting.accepted, accounting.settled.total());
  }

  asio::io_context io;
  ScriptedServer server{io, [this](const Received& r) { return store(r); }};
  MemorySpool spool;
  DestinationSettings settings;
  ContextDefaults context;
  std::unique_ptr<HttpSender> sender;
  std::unique_ptr<MlflowExperiments> experiments;
  std::unique_ptr<HeldRoutes> routes;
  FileStore file_store;
  std::unique_ptr<Track> track;
  std::function<int(const std::string&)> refuse;
  std::set<SpanKey> appended;
  std::map<SpanKey, int> times;
  std::map<SpanKey, std::string> experiment_of;
};

}  // namespace spanferry::uploader
