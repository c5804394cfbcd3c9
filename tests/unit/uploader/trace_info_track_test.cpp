#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/uploader/trace_fixture.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// The track that delivers the spans: settled as the test says.
class FakeSpans final : public Track {
 public:
  explicit FakeSpans(spool::Cursor& cursor) : cursor_(cursor) {}
  void start() override {}
  void records_arrived() override {}
  void drain() override {}
  void stop() override {}
  spool::Cursor& cursor() override { return cursor_; }
  bool settled(Seq seq, const TraceId& /*trace*/) const override { return seq <= up_to; }

  Seq up_to = 0;

 private:
  spool::Cursor& cursor_;
};

struct MlflowInfoTrack : TraceFixture {
  std::unique_ptr<FakeSpans> spans;
  MlflowInfoTrack() {
    settings.kind = Kind::mlflow;
    spans = std::make_unique<FakeSpans>(spool.cursor_of("workspace"));
  }
  void start() {
    track = make_mlflow_info_track(context(), *spans);
    track->start();
  }
};

Message attribute_of_span(std::string_view key, std::string_view value) {
  return attribute(key, text(value));
}

TEST_F(MlflowInfoTrack, GoesOnceTheSpansAreDelivered) {
  append({trace_span(1, 1, 0, "root")
              .message(otlp::span::kAttributes, attribute_of_span("client_request_id", "r-1"))});
  append({trace_span(1, 2, 1)});
  start();
  ASSERT_FALSE(track->settled(1, trace_of(1)));
  spans->up_to = 1;
  io.run_for(std::chrono::milliseconds(100));
  EXPECT_THAT(workspace.calls, SizeIs(0));
  spans->up_to = 2;
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(1));
  EXPECT_THAT(workspace.calls[0].body, HasSubstr("\"client_request_id\":\"r-1\""));
  EXPECT_THAT(workspace.calls[0].body, HasSubstr("\"mlflow.traceName\":\"root\""));
  EXPECT_EQ(settled()[Outcome::delivered], 2U);
}

TEST_F(MlflowInfoTrack, ATraceTheServerKnowsAllOfCostsNoCall) {
  append({trace_span(1, 1, 0).message(otlp::span::kAttributes,
                                      attribute_of_span("mlflow.traceTag.mlflow.traceName", "n"))});
  spans->up_to = 1;
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls, SizeIs(0));
}

TEST_F(MlflowInfoTrack, WithoutARootStateAndTimesStayAsTheServerHasThem) {
  mlflow::TraceInfo known;
  known.trace_id = mlflow::trace_name_of(trace_of(1));
  known.state = mlflow::State::error;
  known.request_time_ms = 0;
  known.execution_duration_ms = 9000;
  known.client_request_id = "theirs";
  workspace.infos[known.trace_id] = mlflow::start_trace_body(known, "42", mlflow::WithTags::yes);
  defaults["region"] = "eu";
  append({trace_span(1, 2, 1)});
  spans->up_to = 1;
  start();
  track->drain();
  ASSERT_TRUE(run_until_settled());
  const auto starts = workspace.calls_of("POST");
  ASSERT_THAT(starts, SizeIs(1));
  EXPECT_THAT(starts[0].body, HasSubstr("\"state\":\"ERROR\""));
  EXPECT_THAT(starts[0].body, HasSubstr("\"experiment_id\":\"42\""));
  EXPECT_THAT(starts[0].body, HasSubstr("\"client_request_id\":\"theirs\""));
  EXPECT_THAT(starts[0].body, HasSubstr("\"region\":\"eu\""));
}

TEST_F(MlflowInfoTrack, WithoutARootNothingIsToldWhileTheServerWaitsForIt) {
  mlflow::TraceInfo known;
  known.trace_id = mlflow::trace_name_of(trace_of(1));
  workspace.infos[known.trace_id] = mlflow::start_trace_body(known, "42", mlflow::WithTags::yes);
  defaults["region"] = "eu";
  append({trace_span(1, 2, 1)});
  spans->up_to = 1;
  start();
  track->drain();
  ASSERT_TRUE(run_until([this] { return workspace.calls_of("GET").size() > 1; }));
  EXPECT_THAT(workspace.calls_of("POST"), SizeIs(0));
  workspace.known(known.trace_id).state = "OK";
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls_of("POST"), SizeIs(1));
  EXPECT_THAT(workspace.calls_of("POST")[0].body, HasSubstr("\"state\":\"OK\""));
}

TEST_F(MlflowInfoTrack, ARefusedStartTraceIsNoDeadLetterOfItsSpans) {
  workspace.intervene = [](const FakeWorkspace::Call&) { return std::optional(refusal(Action::split, 400)); };
  append({trace_span(1, 1, 0)});
  spans->up_to = 1;
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(spool.cursor_of("workspace#info").dead, SizeIs(0));
  EXPECT_EQ(settled()[Outcome::delivered], 1U);
}

TEST_F(MlflowInfoTrack, ALaterStartTraceCarriesNoTags) {
  append({trace_span(1, 1, 0)});
  spans->up_to = 2;
  start();
  ASSERT_TRUE(run_until_settled());
  append({trace_span(1, 2, 1)});
  track->drain();
  ASSERT_TRUE(run_until_settled());
  const auto starts = workspace.calls_of("POST");
  ASSERT_THAT(starts, SizeIs(2));
  EXPECT_THAT(starts[1].body, Not(HasSubstr("\"tags\"")));
}

TEST_F(MlflowInfoTrack, TheFirstStartTraceCarriesTagsAlsoWhenItComesLate) {
  append({trace_span(1, 1, 0).message(otlp::span::kAttributes,
                                      attribute_of_span("mlflow.traceTag.mlflow.traceName", "n"))});
  spans->up_to = 2;
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(0));
  append({trace_span(1, 2, 1).message(otlp::span::kAttributes, attribute_of_span("session.id", "s"))});
  track->drain();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(1));
  EXPECT_THAT(workspace.calls[0].body, HasSubstr("\"tags\":{\"mlflow.trace.session\":\"s\"}"));
}

TEST_F(MlflowInfoTrack, WaitsParkedAsLongAsItsSpansAreHeld) {
  const Route closed{"5", {}, {}};
  routes->refused(closed, "not yours");
  append({trace_span(1, 1, 0, "root")
              .message(otlp::span::kAttributes, attribute_of_span("client_request_id", "r-1"))},
         closed);
  start();
  auto& cursor = spool.cursor_of("workspace#info");
  ASSERT_TRUE(run_until([&] { return cursor.position() == 2 && cursor.parked_parts.size() == 1; }));
  EXPECT_THAT(workspace.calls, SizeIs(0));
  spans->up_to = 1;
  routes->accepted(closed);
  ASSERT_TRUE(run_until([&] { return cursor.parked_parts.empty(); }));
  ASSERT_THAT(workspace.calls, SizeIs(1));
  EXPECT_THAT(workspace.calls[0].body, HasSubstr("\"client_request_id\":\"r-1\""));
}

// A file store derives nothing from spans, and answers a second StartTrace of a trace with 500.
TEST_F(MlflowInfoTrack, IsToldWholeAndOnceToAServerThatTakesFiles) {
  file_store.otlp_refused();
  spans->up_to = 9;
  append({trace_span(1, 1, 0, "root"), trace_span(1, 2, 1)});
  start();
  ASSERT_TRUE(run_until_settled());
  const auto told = workspace.calls_of("POST");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_THAT(told[0].body, HasSubstr("\"state\":\"OK\""));
  EXPECT_THAT(told[0].body, HasSubstr("\"mlflow.traceName\":\"root\""));
  EXPECT_THAT(told[0].body, HasSubstr("\\\"num_spans\\\": 2"));
  append({trace_span(1, 3, 1)});
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of("POST"), SizeIs(1));
}

TEST_F(MlflowInfoTrack, ThatSomebodyElseToldMeanwhileIsThereAllTheSame) {
  file_store.otlp_refused();
  spans->up_to = 9;
  workspace.intervene = [this](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (!call.what.starts_with("POST")) return std::nullopt;
    workspace.infos[mlflow::trace_name_of(trace_of(1))] = call.body;
    return refusal(Action::split, 500);
  };
  append({trace_span(1, 1, 0, "root")});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of("GET"), SizeIs(2)) << "it looks before and after";
  EXPECT_EQ(workspace.health().delivered_traces, 1U);
}

}  // namespace
}  // namespace spanferry::uploader
