// What an MLflow client writes, on its way to an MLflow server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/uploader/written_fixture.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using enum mlflow::EditAssessment::Way;

struct WrittenToMlflow : WrittenFixture {
  std::unique_ptr<PromptSpans> spans;
  WrittenToMlflow() {
    settings.kind = Kind::mlflow;
    spans = std::make_unique<PromptSpans>(spool.cursor_of("workspace"));
  }
  void start() {
    track = make_mlflow_info_track(context(), *spans);
    track->start();
  }
  MemoryCursor& cursor() { return spool.cursor_of("workspace#info"); }
  void client_spans(std::uint32_t trace) {
    append({trace_span(trace, 1, 0)});
    spool.log.back().header.client = "mlflow-python-client/3.17.2";
  }
};

TEST_F(WrittenToMlflow, AStartTraceGoesAsItsClientGaveItAndNothingIsAdded) {
  defaults["region"] = "eu";
  client_spans(1);
  write_info(1, {{"mlflow.traceName", "main"}}, "7");
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(1));
  EXPECT_EQ(at(1)->experiment, "7");
  EXPECT_EQ(at(1)->client_request_id, "request-1");
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("mlflow.traceName", "main")));
  EXPECT_THAT(workspace.calls[0].body, HasSubstr("\"request_time\":\"2026-11-18T"));
  EXPECT_THAT(workspace.calls[0].body, HasSubstr("\"execution_duration\":\"0.028s\""));
}

TEST_F(WrittenToMlflow, SpansOfAClientWaitForItsStartTrace) {
  client_spans(1);
  start();
  io.run_for(std::chrono::milliseconds(50));
  EXPECT_THAT(workspace.calls, IsEmpty());
  write_info(1);
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls, SizeIs(1));
}

TEST_F(WrittenToMlflow, LateSpansAreFollowedByTheTimesOfTheClientAgainButNotByItsTags) {
  write_info(1, {{"a", "1"}});
  start();
  ASSERT_TRUE(run_until_settled());
  set_tag(1, "a", "2");
  ASSERT_TRUE(run_until_settled());
  client_spans(1);
  track->records_arrived();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of("POST"), SizeIs(2));
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("a", "2")));
}

TEST_F(WrittenToMlflow, EditsGoInOrderAfterTheirTrace) {
  set_tag(1, "a", "2");
  set_tag(1, "b", "3");
  set_tag(1, "b", std::nullopt);
  write_info(1, {{"a", "1"}});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("a", "2")));
  EXPECT_THAT(workspace.calls[0].what, HasSubstr("POST"));
}

TEST_F(WrittenToMlflow, WhatAKillLeftHalfDoneIsDoneAgainAndChangesNothing) {
  write_info(1, {{"a", "1"}});
  set_tag(1, "a", "2");
  set_tag(1, "c", std::nullopt);
  assess(1, create, "a-1", 1);
  first = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    // The kill comes once the assessment is there and before its answer.
    if (call.what.ends_with("/assessments") && call.what.starts_with("POST")) return Verdict{};
    return std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until(
      [&] { return !workspace.calls_of("POST https://workspace/api/3.0/mlflow/traces/").empty(); }));
  stop();
  at(1)->assessments["a-1"] = "{}";
  first = nullptr;
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("a", "2")));
  EXPECT_THAT(at(1)->assessments, ElementsAre(Pair("a-1", "{}")));
  EXPECT_THAT(cursor().dead, IsEmpty());
}

TEST_F(WrittenToMlflow, AssessmentsAreCreatedChangedAndRemoved) {
  write_info(1);
  assess(1, create, "a-1", 1);
  assess(1, create, "a-2", 2);
  assess(1, update, "a-1", 3);
  assess(1, mlflow::EditAssessment::Way::remove, "a-2");
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(at(1)->assessments, SizeIs(1));
  EXPECT_THAT(at(1)->assessments["a-1"], HasSubstr("\"value\":3"));
  EXPECT_THAT(at(1)->assessments["a-1"], HasSubstr(mlflow::trace_name_of(trace_of(1))));
}

TEST_F(WrittenToMlflow, WhereTheFarSideMintsAnIdItIsTranslatedForEver) {
  write_info(1);
  assess(1, create, "a-1", 1);
  minted = "a-theirs";
  start();
  ASSERT_TRUE(run_until_settled());
  stop();
  assess(1, update, "a-1", 2);
  edit(1, mlflow::EditAssessment{create, "a-2", R"({"assessment_name":"n","overrides":"a-1"})", ""});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(at(1)->assessments["a-theirs"], HasSubstr("\"value\":2"));
  EXPECT_THAT(at(1)->assessments["a-2"], HasSubstr("\"overrides\":\"a-theirs\""));
  assess(1, mlflow::EditAssessment::Way::remove, "a-1");
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(at(1)->assessments, SizeIs(1));
}

TEST_F(WrittenToMlflow, AnAssessmentWhoseAnswerWasLostIsMadeOnceWhereIdsAreMintedThere) {
  write_info(1);
  const auto feedback = [this](const std::string& id, const std::string& created) {
    edit(1, mlflow::EditAssessment{
                create, id,
                R"({"assessment_name":"n","source":{"source_type":"HUMAN","source_id":"jane"},)"
                R"("create_time":")" +
                    created + R"(","feedback":{"value":1}})",
                ""});
  };
  feedback("a-1", "2026-11-24T02:20:46.125Z");
  feedback("a-2", "2026-11-24T02:20:46.126Z");
  assess(1, update, "a-1", 2);
  int lost = 0;
  first = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (!call.what.starts_with("POST") || !call.what.ends_with("/assessments")) return std::nullopt;
    minted = "a-theirs-" + std::to_string(lost);
    serve(call);
    if (lost++ == 2) ADD_FAILURE() << "made once more";
    return refusal(Action::again, 0);
  };
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(at(1)->assessments, SizeIs(2));
  EXPECT_THAT(at(1)->assessments["a-theirs-0"], HasSubstr("\"value\":2"));
  EXPECT_THAT(at(1)->assessments["a-theirs-1"], HasSubstr("\"value\":1"));
}

TEST_F(WrittenToMlflow, AnAssessmentThatIsThereAlreadyIsNoErrorAndNoSecondOne) {
  write_info(1);
  start();
  ASSERT_TRUE(run_until_settled());
  at(1)->assessments["a-1"] = "theirs";
  assess(1, create, "a-1", 1);
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(at(1)->assessments, ElementsAre(Pair("a-1", "theirs")));
  EXPECT_THAT(cursor().dead, IsEmpty());
}

TEST_F(WrittenToMlflow, AnEditWhoseTraceHasNotComeIsParkedAndGoesWithIt) {
  set_tag(1, "a", "2");
  set_tag(1, "a", "3");
  start();
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.size() == 2; }));
  EXPECT_EQ(cursor().position(), 3U);
  EXPECT_THAT(workspace.calls_of("PATCH"), SizeIs(1)) << "what follows an early edit is not tried";
  spool.forget_payloads();
  write_info(1, {{"a", "1"}});
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("a", "3")));
}

TEST_F(WrittenToMlflow, AnEditOfATraceThatComesAnotherWayIsTriedAgain) {
  set_tag(1, "a", "2");
  start();
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.size() == 1; }));
  there[mlflow::trace_name_of(trace_of(1))].experiment = "9";
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("a", "2")));
  EXPECT_THAT(cursor().dead, IsEmpty());
}

TEST_F(WrittenToMlflow, AfterADayAnEditWithoutATraceIsADeadLetterOfItsKind) {
  set_tag(1, "a", "2");
  spool.log.back().header.received_ns -= 25LL * 3600 * 1'000'000'000;
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_EQ(cursor().dead[0].kind, RecordKind::trace_edit);
  EXPECT_EQ(cursor().dead[0].trace_id, trace_of(1));
  EXPECT_EQ(cursor().dead[0].spans, 0U);
  EXPECT_THAT(cursor().dead[0].reason, HasSubstr("24 hours"));
  EXPECT_THAT(cursor().dead[0].payload, HasSubstr("set_tag"));
}

TEST_F(WrittenToMlflow, ARefusedEditIsADeadLetterAloneAndCanBeTriedAgain) {
  bool refuses = true;
  first = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (refuses && call.body.find("\"bad\"") != std::string::npos) return refusal(Action::split, 400);
    return std::nullopt;
  };
  write_info(1);
  set_tag(1, "bad", "1");
  set_tag(1, "good", "2");
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("good", "2")));
  ASSERT_THAT(cursor().dead, SizeIs(1));
  refuses = false;
  cursor().take_back(0);
  track->records_arrived();
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(at(1)->tags, SizeIs(2));
}

TEST_F(WrittenToMlflow, ARefusedStartTraceIsADeadLetterAndItsEditsGoOn) {
  first = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what.ends_with("/mlflow/traces")) return refusal(Action::split, 400);
    return std::nullopt;
  };
  there[mlflow::trace_name_of(trace_of(1))].experiment = "1";  // the spans made it
  client_spans(1);
  write_info(1);
  set_tag(1, "a", "1");
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_EQ(cursor().dead[0].kind, RecordKind::trace_info);
  EXPECT_THAT(at(1)->tags, ElementsAre(Pair("a", "1")));
}

TEST_F(WrittenToMlflow, AStartTraceThatCannotBeReadIsADeadLetter) {
  write(RecordKind::trace_info, 1, "nonsense");
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_THAT(cursor().dead[0].reason, HasSubstr("trace_info"));
}

TEST_F(WrittenToMlflow, ADeletedTraceIsGoneWhateverCameBeforeAndAfter) {
  client_spans(1);
  write_info(1, {}, "7");
  set_tag(1, "a", "1");
  start();
  ASSERT_TRUE(run_until_settled());
  set_tag(1, "a", "2");
  remove(1);
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(at(1), nullptr);
  const auto calls = workspace.calls.size();
  set_tag(1, "a", "3");
  write_info(1, {}, "7");
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(at(1), nullptr);
  EXPECT_EQ(workspace.calls.size(), calls) << "nothing of it is sent any more";
  stop();
  client_spans(1);
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(at(1), nullptr);
}

TEST_F(WrittenToMlflow, ATraceInAnotherExperimentThanItsDeletionSaysIsFound) {
  there[mlflow::trace_name_of(trace_of(1))].experiment = "9";
  remove(1);
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_EQ(at(1), nullptr);
  EXPECT_THAT(workspace.calls_of("delete-traces"), SizeIs(2));
}

TEST_F(WrittenToMlflow, AFileGoesToTheArtifactsOfItsTrace) {
  write_info(1, {}, "7");
  write(RecordKind::artifact, 1, mlflow::encode(mlflow::Artifact{"attachments/a b", "image/png", "bytes"}), 0,
        {"7", {}, {}});
  first = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    return call.what.starts_with("PUT") ? std::optional(answer(200)) : std::nullopt;
  };
  start();
  ASSERT_TRUE(run_until_settled());
  const auto puts = workspace.calls_of("PUT");
  ASSERT_THAT(puts, SizeIs(1));
  EXPECT_EQ(puts[0].what, "PUT https://workspace/api/2.0/mlflow-artifacts/artifacts/7/traces/" +
                              mlflow::trace_name_of(trace_of(1)) + "/artifacts/attachments/a%20b");
  EXPECT_EQ(puts[0].body, "bytes");
}

TEST_F(WrittenToMlflow, AFileGoesToWhereTheServerHasItsFilesOrIsDead) {
  std::string location = "mlflow-artifacts://server:5000/elsewhere/of one";
  first = [&location](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what.starts_with("PUT")) return answer(200);
    if (!call.what.starts_with("GET")) return std::nullopt;
    return answer(200, R"({"trace":{"trace_info":{"state":"OK","tags":{"mlflow.artifactLocation":")" +
                           location + R"("}}}})");
  };
  const auto write_file = [this] {
    write(RecordKind::artifact, 1, mlflow::encode(mlflow::Artifact{"attachments/a", "", "bytes"}), 0,
          {"7", {}, {}});
  };
  write_info(1, {}, "7");
  write_file();
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls_of("PUT"), SizeIs(1));
  EXPECT_EQ(workspace.calls_of("PUT")[0].what,
            "PUT https://workspace/api/2.0/mlflow-artifacts/artifacts/elsewhere/of%20one/attachments/a");
  location = "s3://bucket/7";
  write_file();
  track->records_arrived();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of("PUT"), SizeIs(1));
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_THAT(cursor().dead[0].reason, HasSubstr("s3://bucket/7"));
}

TEST(TraceMarks, OfEarlierVersionsAreRead) {
  MemorySpool spool;
  spool.values["up/w/" + trace_of(1).hex()] = "3 17 1";
  EXPECT_EQ(**TraceMarks(spool, "w").load(trace_of(1)), (TraceMark{3, 17, true}));
}

TEST(TraceMarks, AreReadAsTheyWereWritten) {
  MemorySpool spool;
  TraceMark all{3, 17, false, true, true, true};
  TraceMarks(spool, "w").put(trace_of(1), all);
  EXPECT_EQ(**TraceMarks(spool, "w").load(trace_of(1)), all);
  all.left_out = {4, 16};
  all.aside = {{5, SpanId{}}, {6, span_id(2)}};
  all.refused = {span_id(2), span_id(3)};
  TraceMarks(spool, "w").put(trace_of(1), all);
  EXPECT_EQ(**TraceMarks(spool, "w").load(trace_of(1)), all);
}

TEST(TraceMarks, ListsThatAreTooLongForgetWhatWentAndNeverWhatDidNot) {
  MemorySpool spool;
  TraceMark mark{3, 100'000, true};
  for (Seq seq = 1; seq <= 500; ++seq) mark.left_out.push_back(90 * seq);
  TraceMarks(spool, "w").put(trace_of(1), mark);
  EXPECT_EQ(**TraceMarks(spool, "w").load(trace_of(1)), mark) << "some hundreds fit";
  for (Seq seq = 501; seq <= 5'000; ++seq) mark.left_out.push_back(90 * seq);
  TraceMarks(spool, "w").put(trace_of(1), mark);
  EXPECT_EQ(**TraceMarks(spool, "w").load(trace_of(1)), (TraceMark{3, 0, true}));
}

}  // namespace
}  // namespace spanferry::uploader
