// One experiment that is refused holds its own spans and nobody else's.
#include "tests/unit/uploader/otlp_fixture.hpp"

namespace spanferry::uploader {
namespace {

struct HeldRoutesTest : OtlpTrackTest {
  HeldRoutesTest() {
    settings.kind = Kind::mlflow;
    settings.create_experiment = false;
    late.experiment_name = "late";
    server.set_script([this](const Received& r) { return serve(r); });
  }

  // Experiment "late" has id 42 once `there`; spans for it are taken once it is also `open`.
  Answer serve(const Received& r) {
    if (r.target.find("experiments/search") != std::string::npos) {
      return credential_works ? Answer{.body = "{}"} : Answer{.status = 403};
    }
    if (r.target != "/v1/traces") {
      return there ? Answer{.body = R"({"experiment":{"experiment_id":"42","lifecycle_stage":"active"}})"}
                   : Answer{.status = 404, .body = R"({"error_code":"RESOURCE_DOES_NOT_EXIST"})"};
    }
    if (r.headers.at("x-mlflow-experiment-id") == "42") {
      ++tries;
      if (!open || !credential_works)
        return {.status = 403, .body = R"({"error_code":"PERMISSION_DENIED","message":"not yours"})"};
    }
    return credential_works ? store(r) : Answer{.status = 403};
  }
  void append_both(std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t i = first; i < end; ++i)
      append({{trace_number(i), span_number(i)}}, i % 2 == 0 ? Route{} : late);
  }
  std::uint64_t pending() { return cursor().accounting().pending; }

  Route late;
  bool there = true, open = true, credential_works = true;
  int tries = 0;
};

TEST_F(HeldRoutesTest, AMissingExperimentWaitsParkedUntilItIsCreated) {
  there = false;
  append_both(0, 20);
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); })) << "the log goes on";
  EXPECT_EQ(stored().size(), 10U);
  EXPECT_EQ(cursor().parked_parts.size(), 10U);
  EXPECT_EQ(pending(), 10U);
  EXPECT_TRUE(cursor().dead.empty());
  EXPECT_FALSE(track->settled(2, trace_number(1)));
  append_both(20, 30);
  ASSERT_TRUE(run_until(io, [&] { return stored().size() == 15; })) << "the others still go";
  there = true;
  ASSERT_TRUE(run_until(io, [&] { return pending() == 0; }));
  EXPECT_EQ(stored(), appended);
  EXPECT_FALSE(routes->any());
  EXPECT_EQ(experiment_of[SpanKey(trace_number(1), span_number(1))], "42");
  for (const auto& [key, n] : times) EXPECT_EQ(n, 1);
  expect_accounted();
}

TEST_F(HeldRoutesTest, AForbiddenExperimentIsProbedAloneAndReleasedAtOnce) {
  open = false;
  append_both(0, 20);
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled() && tries >= 3; }));
  EXPECT_EQ(sender->health().state(), DestinationState::ok);
  EXPECT_EQ(stored().size(), 10U);
  EXPECT_TRUE(routes->holds(late));
  EXPECT_FALSE(routes->holds(Route{}));
  open = true;
  ASSERT_TRUE(run_until(io, [&] { return pending() == 0; }));
  EXPECT_EQ(stored(), appended);
  expect_accounted();
}

TEST_F(HeldRoutesTest, ACredentialThatIsRefusedEverywherePausesTheDestinationAndParksNothing) {
  credential_works = false;
  append_both(0, 20);
  start();
  ASSERT_TRUE(run_until(io, [&] { return sender->health().state() == DestinationState::paused_auth; }));
  EXPECT_FALSE(routes->any());
  EXPECT_TRUE(cursor().parked_parts.empty());
  credential_works = true;
  ASSERT_TRUE(run_until(io, [&] { return pending() == 0; }));
  EXPECT_EQ(stored(), appended);
}

TEST_F(HeldRoutesTest, ARestartTriesAgainWhatWasParked) {
  open = false;
  append_both(0, 20);
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled() && cursor().parked_parts.size() == 10; }));
  track->stop();
  sender->stop();
  routes->stop();
  io.restart();
  io.run_for(milliseconds(200));
  track.reset();
  open = true;
  start();
  ASSERT_TRUE(run_until(io, [&] { return pending() == 0; }));
  EXPECT_EQ(stored(), appended);
}

TEST_F(HeldRoutesTest, PartsOfARecordThatWaitAreSettledTraceByTrace) {
  settings.create_experiment = true;
  open = false;
  append({{trace_number(1), span_number(1)},
          {trace_number(2), span_number(2), "poison"},
          {trace_number(1), span_number(3)}},
         late);
  start();
  ASSERT_TRUE(run_until(io, [&] { return cursor().parked_parts.size() == 2; }));
  refuse = [](const std::string& name) { return name == "poison" ? 400 : 0; };
  open = true;
  ASSERT_TRUE(run_until(io, [&] { return pending() == 0; }));
  ASSERT_EQ(cursor().dead.size(), 1U);
  EXPECT_EQ(cursor().accounting().settled[Outcome::delivered], 2U);
  EXPECT_EQ(cursor().accounting().settled[Outcome::dead], 1U);
  // An operator has it tried again once its cause is gone.
  refuse = nullptr;
  cursor().take_back(0);
  EXPECT_EQ(pending(), 1U);
  track->records_arrived();
  ASSERT_TRUE(run_until(io, [&] { return pending() == 0; }));
  EXPECT_EQ(stored(), appended);
  EXPECT_EQ(cursor().accounting().settled[Outcome::dead], 0U);
  expect_accounted();
}

TEST_F(HeldRoutesTest, WithOneRequestAtATimeWhatIsParkedHasItsTurnToo) {
  settings.concurrency = 1;
  there = false;
  append_both(0, 4);
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  there = true;
  ASSERT_TRUE(run_until(io, [&] { return pending() == 0; }));
  EXPECT_EQ(stored(), appended);
}

TEST(HeldRoutesAlone, OneProbeAtATimeAndNoneBeforeItIsDue) {
  boost::asio::io_context io;
  HeldRoutes routes(io, "there", net::BackoffSettings{milliseconds(0), milliseconds(0)});
  std::vector<std::size_t> reported;
  routes.report_to([&](const auto& held) { reported.push_back(held.size()); });
  const Route route{"7", {}, {}};
  EXPECT_TRUE(routes.enter(route));
  routes.refused(route, "not yours");
  routes.refused(route, "another that was under way");
  EXPECT_TRUE(routes.enter(Route{}));
  EXPECT_TRUE(routes.enter(route)) << "this is the probe";
  EXPECT_FALSE(routes.enter(route));
  routes.left(route);
  EXPECT_TRUE(routes.enter(route));
  routes.accepted(route);
  EXPECT_TRUE(routes.enter(route));
  EXPECT_TRUE(routes.enter(route));
  EXPECT_EQ(routes.releases(), 1U);
  EXPECT_EQ(reported, (std::vector<std::size_t>{1, 0}));
  EXPECT_EQ(describe(route), "experiment 7");
}

}  // namespace
}  // namespace spanferry::uploader
