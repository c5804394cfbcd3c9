#include <algorithm>

#include "model/mlflow_json.hpp"
#include "model/mlflow_span.hpp"
#include "tests/unit/uploader/otlp_fixture.hpp"

namespace spanferry::uploader {
namespace {

TEST_F(OtlpTrackTest, DeliversWhatIsThereAndWhatComes) {
  for (std::uint32_t i = 0; i < 50; ++i) append({{trace_number(i), span_number(i)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  for (std::uint32_t i = 50; i < 60; ++i) append({{trace_number(i), span_number(i)}});
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), appended);
  EXPECT_EQ(cursor().accounting().settled[Outcome::delivered], 60U);
  EXPECT_EQ(server.received()[0].headers.at("content-type"), "application/x-protobuf");
  EXPECT_EQ(server.received()[0].target, "/v1/traces");
  // Fifty small records are one batch.
  EXPECT_EQ(spans_in(server.received()[0].body).size(), 50U);
  expect_accounted();
}

TEST_F(OtlpTrackTest, CompressesABatchAsOneMember) {
  settings.compression = "gzip";
  for (std::uint32_t i = 0; i < 50; ++i) append({{trace_number(i), span_number(i)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), appended);
  EXPECT_EQ(server.received()[0].headers.at("content-encoding"), "gzip");
}

TEST_F(OtlpTrackTest, KeepsBatchesWithinTheirBytesAndSendsALargeRecordAlone) {
  settings.max_batch_bytes = 10'000;
  for (std::uint32_t i = 0; i < 40; ++i)
    append({{trace_number(i), span_number(i), std::string(i == 20 ? 30'000 : 900, 'x')}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), appended);
  for (const Received& request : server.received()) {
    const auto spans = spans_in(request.body);
    if (request.body.size() > 10'000) EXPECT_EQ(spans.size(), 1U);
  }
  EXPECT_LE(server.received().size(), 8U);
}

TEST_F(OtlpTrackTest, HasAsManyBatchesUnderWayAsItMayAndNoMore) {
  settings.max_batch_bytes = 1'000;
  settings.concurrency = 3;
  server.set_script([](const Received&) { return Answer{.hang = true}; });
  for (std::uint32_t i = 0; i < 20; ++i) append({{trace_number(i), span_number(i), std::string(900, 'x')}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return server.received().size() == 3; }));
  io.run_for(milliseconds(50));
  EXPECT_EQ(server.received().size(), 3U);
}

TEST_F(OtlpTrackTest, RepeatsABatchByteForByte) {
  settings.compression = "gzip";
  int refusals = 3;
  server.set_script([&](const Received& r) { return refusals-- > 0 ? Answer{.status = 503} : store(r); });
  for (std::uint32_t i = 0; i < 50; ++i) append({{trace_number(i), span_number(i)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return server.received().size() == 1; }));
  for (std::uint32_t i = 50; i < 60; ++i) append({{trace_number(i), span_number(i)}});
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), appended);
  std::size_t repeats = 0;
  for (const Received& request : server.received())
    repeats += request.body == server.received()[0].body ? 1 : 0;
  EXPECT_GE(repeats, 2U);
  for (const auto& [key, n] : times) EXPECT_EQ(n, 1);
}

TEST_F(OtlpTrackTest, SetsOneRefusedSpanAsideAndDeliversItsNeighbours) {
  refuse = [](const std::string& name) { return name == "poison" ? 422 : 0; };
  std::vector<TestSpan> spans;
  for (std::uint32_t i = 0; i < 1000; ++i)
    spans.push_back({trace_number(i / 10), span_number(i), i == 637 ? "poison" : "fine"});
  append(spans);
  for (std::uint32_t i = 1000; i < 1010; ++i) append({{trace_number(i), span_number(i)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  std::set<SpanKey> expected = appended;
  expected.erase({trace_number(63), span_number(637)});
  EXPECT_EQ(stored(), expected);
  ASSERT_EQ(cursor().dead.size(), 1U);
  const spool::DeadLetter& letter = cursor().dead[0];
  EXPECT_EQ(letter.trace_id, trace_number(63));
  EXPECT_EQ(letter.span_id, span_number(637));
  EXPECT_EQ(letter.status, 422);
  EXPECT_EQ(letter.response_excerpt, "refused poison");
  EXPECT_EQ(letter.destination, "there");
  EXPECT_EQ(letter.seq, 1U);
  const auto kept = spans_in(letter.payload);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].second, "poison");
  EXPECT_EQ(cursor().accounting().settled[Outcome::dead], 1U);
  EXPECT_EQ(cursor().accounting().settled[Outcome::delivered], 1009U);
  EXPECT_EQ(sender->health().dead_letters, 1U);
  expect_accounted();
}

TEST_F(OtlpTrackTest, SplitsARepeated500AsWell) {
  refuse = [](const std::string& name) { return name == "poison" ? 500 : 0; };
  for (std::uint32_t i = 0; i < 20; ++i)
    append({{trace_number(i), span_number(i), i == 7 ? "poison" : "fine"}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  std::set<SpanKey> expected = appended;
  expected.erase({trace_number(7), span_number(7)});
  EXPECT_EQ(stored(), expected);
  ASSERT_EQ(cursor().dead.size(), 1U);
  EXPECT_EQ(cursor().dead[0].status, 500);
}

TEST_F(OtlpTrackTest, MakesNoDeadLetterOfAnOutageThatAnswers500) {
  int answers = 0;
  server.set_script([&](const Received& r) { return ++answers <= 9 ? Answer{.status = 500} : store(r); });
  append({{trace_number(1), span_number(1)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), appended);
  EXPECT_TRUE(cursor().dead.empty());
}

TEST_F(OtlpTrackTest, HalvesWhatIsTooLarge) {
  server.set_script(
      [&](const Received& r) { return r.body.size() > 3'000 ? Answer{.status = 413} : store(r); });
  std::vector<TestSpan> spans;
  for (std::uint32_t i = 0; i < 30; ++i)
    spans.push_back({trace_number(1), span_number(i), std::string(i == 11 ? 4'000 : 300, 'x')});
  append(spans);
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  std::set<SpanKey> expected = appended;
  expected.erase({trace_number(1), span_number(11)});
  EXPECT_EQ(stored(), expected);
  ASSERT_EQ(cursor().dead.size(), 1U);
  EXPECT_EQ(cursor().dead[0].status, 413);
  expect_accounted();
}

TEST_F(OtlpTrackTest, SetsAsideASpanThatCameTwiceInOneRecordWithBothCopies) {
  refuse = [](const std::string& name) { return name == "poison" ? 400 : 0; };
  append({{trace_number(1), span_number(1), "poison"},
          {trace_number(1), span_number(1), "poison"},
          {trace_number(1), span_number(2), "fine"}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), (std::set<SpanKey>{{trace_number(1), span_number(2)}}));
  ASSERT_EQ(cursor().dead.size(), 1U);
  EXPECT_EQ(cursor().dead[0].spans, 2U);
  expect_accounted();
}

TEST_F(OtlpTrackTest, KeepsOtherBatchesMovingWhileOneIsSplit) {
  settings.max_batch_bytes = 1'000;
  settings.concurrency = 2;
  refuse = [](const std::string& name) { return name.starts_with("poison") ? 400 : 0; };
  std::vector<TestSpan> bad;
  for (std::uint32_t i = 0; i < 64; ++i) bad.push_back({trace_number(i), span_number(i), "poison"});
  append(bad);
  for (std::uint32_t i = 100; i < 110; ++i)
    append({{trace_number(i), span_number(i), std::string(900, 'x')}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return times.size() == 10; }));
  EXPECT_LT(cursor().dead.size(), 64U);
  EXPECT_EQ(cursor().position(), 1U);
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(cursor().dead.size(), 64U);
  expect_accounted();
}

TEST_F(OtlpTrackTest, CountsSpansThatABackendRejectsInPart) {
  std::string partial, response;
  protozero::pbf_writer writer(partial);
  writer.add_int64(1, 3);
  writer.add_string(2, "too old");
  protozero::pbf_writer(response).add_message(1, partial);
  server.set_script([&](const Received& r) {
    store(r);
    return Answer{.headers = {{"content-type", "application/x-protobuf"}}, .body = response};
  });
  for (std::uint32_t i = 0; i < 10; ++i) append({{trace_number(i), span_number(i)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(server.received().size(), 1U);
  EXPECT_EQ(cursor().accounting().settled[Outcome::dead], 3U);
  EXPECT_EQ(cursor().accounting().settled[Outcome::delivered], 7U);
  ASSERT_EQ(cursor().dead.size(), 1U);
  EXPECT_EQ(cursor().dead[0].spans, 3U);
  EXPECT_TRUE(cursor().dead[0].payload.empty());
  EXPECT_NE(cursor().dead[0].reason.find("too old"), std::string::npos);
}

TEST_F(OtlpTrackTest, ReadsAPartialSuccessInJson) {
  server.set_script([&](const Received&) {
    return Answer{.headers = {{"content-type", "application/json"}},
                  .body = R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"no"}})"};
  });
  for (std::uint32_t i = 0; i < 5; ++i) append({{trace_number(i), span_number(i)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(cursor().accounting().settled[Outcome::dead], 2U);
}

TEST_F(OtlpTrackTest, SettlesGapsAsLostAndOtherKindsAsNotApplicable) {
  for (std::uint32_t i = 0; i < 5; ++i) append({{trace_number(i), span_number(i)}});
  spool.lost.insert(2);
  spool.log[3].header.kind = RecordKind::trace_info;
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(times.size(), 3U);
  EXPECT_EQ(cursor().accounting().settled[Outcome::lost], 1U);
  EXPECT_EQ(cursor().accounting().settled[Outcome::not_applicable], 1U);
  ASSERT_EQ(cursor().gaps.size(), 1U);
  EXPECT_EQ(cursor().gaps[0].first, 2U);
}

TEST_F(OtlpTrackTest, ResumesBehindWhatIsSettledAlsoInsideARecord) {
  append({{trace_number(1), span_number(1)}});
  append({{trace_number(2), span_number(2)}, {trace_number(3), span_number(3)}});
  append({{trace_number(4), span_number(4)}});
  MemoryCursor& c = cursor();
  c.settle({spool::Settled::all(spool.log[2], SpanCounts::of(Outcome::delivered, 1))});
  c.settle({{2, 2, 2, trace_number(2), SpanCounts::of(Outcome::delivered, 1), {}}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(),
            (std::set<SpanKey>{{trace_number(1), span_number(1)}, {trace_number(3), span_number(3)}}));
  EXPECT_EQ(cursor().accounting().settled[Outcome::delivered], 4U);
  expect_accounted();
}

TEST_F(OtlpTrackTest, PutsEachExperimentIntoBatchesOfItsOwn) {
  settings.kind = Kind::mlflow;
  server.set_script([&](const Received& r) {
    if (r.target != "/v1/traces")
      return Answer{.body = R"({"experiment":{"experiment_id":"42","lifecycle_stage":"active"}})"};
    EXPECT_FALSE(r.headers.at("x-mlflow-experiment-id").empty());
    return store(r);
  });
  Route named;
  named.experiment_name = "chat";
  for (std::uint32_t i = 0; i < 20; ++i)
    append({{trace_number(i), span_number(i)}}, i % 2 == 0 ? Route{} : named);
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), appended);
  for (std::uint32_t i = 0; i < 20; ++i) {
    const SpanKey key{trace_number(i), span_number(i)};
    EXPECT_EQ(experiment_of[key], i % 2 == 0 ? "0" : "42");
  }
  EXPECT_EQ(server.received().size(), 3U);
}

TEST_F(OtlpTrackTest, LooksAnExperimentUpAgainWhenItIsGone) {
  settings.kind = Kind::mlflow;
  settings.experiment = "moved";
  std::string id = "1";
  server.set_script([&](const Received& r) {
    if (r.target != "/v1/traces")
      return Answer{.body = R"({"experiment":{"experiment_id":")" + id + R"("}})"};
    if (r.headers.at("x-mlflow-experiment-id") != "2") {
      id = "2";
      return Answer{.status = 404, .body = R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})"};
    }
    return store(r);
  });
  append({{trace_number(1), span_number(1)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), appended);
  EXPECT_EQ(experiment_of.begin()->second, "2");
}

TEST_F(OtlpTrackTest, SetsAsideWhatNamesAnExperimentThatIsNotThere) {
  settings.kind = Kind::mlflow;
  server.set_script([&](const Received& r) {
    return r.target != "/v1/traces"
               ? Answer{.status = 404, .body = R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})"}
               : store(r);
  });
  Route nowhere;
  nowhere.experiment_id = "99";
  append({{trace_number(1), span_number(1)}, {trace_number(2), span_number(2)}}, nowhere);
  append({{trace_number(3), span_number(3)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), (std::set<SpanKey>{{trace_number(3), span_number(3)}}));
  ASSERT_EQ(cursor().dead.size(), 2U);
  EXPECT_NE(cursor().dead[0].reason.find("experiment id 99"), std::string::npos) << cursor().dead[0].reason;
  EXPECT_EQ(cursor().dead[0].route.experiment_id, "99");
  expect_accounted();
}

TEST_F(OtlpTrackTest, PausesOnAServerThatTakesNoSpansInAnyWay) {
  settings.kind = Kind::mlflow;
  bool supported = false;
  server.set_script([&](const Received& r) { return supported ? store(r) : Answer{.status = 501}; });
  append({{trace_number(1), span_number(1)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return sender->health().state() == DestinationState::paused_config; }));
  supported = true;
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(stored(), appended);
  EXPECT_EQ(sender->health().state(), DestinationState::ok);
}

// A file store: 501 for spans, but it keeps files.
struct FileStoreTest : OtlpTrackTest {
  std::map<std::string, std::string> files;  // by path
  std::vector<std::string> calls;
  std::function<int(const std::string&)> refuse_file = [](const std::string&) { return 0; };

  FileStoreTest() {
    settings.kind = Kind::mlflow;
    server.set_script([this](const Received& r) -> Answer {
      if (r.target == "/v1/traces")
        return {.status = 501, .body = R"({"detail":"not supported by FileStore"})"};
      calls.push_back(r.method);
      if (r.method == "GET" && files.contains(r.target)) return {.body = files[r.target]};
      if (r.method == "GET") return {.status = 404, .body = R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})"};
      if (const int status = refuse_file(r.target); status != 0) return {.status = status, .body = "no"};
      files[r.target] = r.body;
      return {};
    });
  }
  static std::string path_of(std::uint32_t trace) {
    return "/api/2.0/mlflow-artifacts/artifacts/0/traces/" + mlflow::trace_name_of(trace_number(trace)) +
           "/artifacts/traces.json";
  }
  [[nodiscard]] std::size_t spans_in_file(std::uint32_t trace) const {
    const auto found = files.find(path_of(trace));
    if (found == files.end()) return 0;
    const auto spans = mlflow::parse_spans_file(found->second);
    return spans ? spans->size() : 0;
  }
};

TEST_F(FileStoreTest, GetsEachTraceAsAFileThatNeverBecomesLess) {
  append({{trace_number(1), span_number(1)}, {trace_number(2), span_number(2)}});
  append({{trace_number(1), span_number(3)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(spans_in_file(1), 2U);
  EXPECT_EQ(spans_in_file(2), 1U);
  EXPECT_EQ(cursor().accounting().settled[Outcome::delivered], 3U);
  EXPECT_EQ(sender->health().state(), DestinationState::ok);
  // What comes later is added, also to what the spool no longer holds.
  spool.forget_payloads();
  calls.clear();
  append({{trace_number(1), span_number(4)}});
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(calls, (std::vector<std::string>{"GET", "PUT"}));
  EXPECT_EQ(spans_in_file(1), 3U);
  expect_accounted();
}

TEST_F(FileStoreTest, ARefusedFileIsADeadLetterAndTheOtherTracesGo) {
  refuse_file = [](const std::string& path) { return path == path_of(2) ? 400 : 0; };
  append({{trace_number(1), span_number(1)}, {trace_number(2), span_number(2)}});
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(spans_in_file(1), 1U);
  EXPECT_EQ(spans_in_file(2), 0U);
  ASSERT_EQ(cursor().dead.size(), 1U);
  EXPECT_EQ(cursor().dead[0].status, 400);
  EXPECT_EQ(cursor().dead[0].trace_id, trace_number(2));
  expect_accounted();
}

}  // namespace
}  // namespace spanferry::uploader
