// Feedback by a client's request id, for traces of an experiment that is linked to a Unity Catalog table.
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

constexpr std::string_view kTable = "/api/4.0/mlflow/traces/main.genai.app/";
constexpr std::string_view kSearchTable = "POST https://workspace/api/4.0/mlflow/traces/search-long-running";
constexpr std::string_view kSearchStorage = "POST https://workspace/api/3.0/mlflow/traces/search";
constexpr std::string_view kNothing = R"({"name":"op-1","done":true,"response":{}})";

struct FeedbackByRequestId : WrittenFixture {
  FeedbackByRequestId() {
    experiments.table = "main.genai.app_otel_spans";
    first = [this](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
      if (call.what == kSearchTable) return table_search;
      if (call.what == kSearchStorage) return storage_search;
      if (call.what.contains("/search/operations/")) return operation;
      if (call.what.contains(kTable)) return serve_table(call);
      return std::nullopt;
    };
  }
  // Traces by their ids in hex, as the path of a call names them.
  std::optional<Verdict> serve_table(const FakeWorkspace::Call& call) {
    const std::size_t at = call.what.find(kTable) + kTable.size();
    const std::string trace = call.what.substr(at, 32);
    if (call.what.starts_with("POST") && call.what.ends_with("/info")) {
      in_table.try_emplace(trace);
      return answer(200, R"({"trace_id":")" + trace + R"("})");
    }
    if (!in_table.contains(trace)) return refusal(Action::not_found, 404);
    if (call.what.contains("/info")) return answer(200, R"({"trace":{"trace_info":{}}})");
    const std::string id = text_of(call.body, {"assessment_id"});
    if (call.what.starts_with("POST")) in_table[trace][id] = call.body;
    return call.what.starts_with("POST") ? answer(200, call.body) : refusal(Action::not_found, 404);
  }
  MemoryCursor& cursor() { return spool.cursor_of("workspace"); }
  static Verdict found_in_table(std::uint32_t trace) {
    return answer(200, R"({"name":"op-1","done":true,"response":{"trace_infos":[{"trace_id":")" +
                           trace_of(trace).hex() + R"("}]}})");
  }
  static Verdict found_in_storage(std::uint32_t trace) {
    return answer(200, R"({"traces":[{"trace_id":")" + mlflow::trace_name_of(trace_of(trace)) + R"("}]})");
  }

  std::map<std::string, std::map<std::string, std::string>> in_table;  // assessments, by trace and id
  Verdict table_search = answer(200, std::string(kNothing));
  Verdict operation = answer(200, std::string(kNothing));
  Verdict storage_search = answer(200, "{}");
};

TEST_F(FeedbackByRequestId, IsForTheTraceThatTheTableHas) {
  settings.sql_warehouse_id = "w 1";
  in_table.try_emplace(trace_of(7).hex());
  table_search = found_in_table(7);
  start();
  feedback();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(2));
  EXPECT_EQ(workspace.calls[0].what, kSearchTable);
  EXPECT_EQ(workspace.calls[0].body,
            R"({"locations":[{"type":"UC_TABLE_PREFIX","uc_table_prefix":{"catalog_name":"main",)"
            R"("schema_name":"genai","table_prefix":"app"}}],)"
            R"("filter":"attributes.client_request_id = 'r-1'","max_results":1,)"
            R"("order_by":["timestamp_ms DESC"],"sql_warehouse_id":"w 1"})");
  EXPECT_EQ(workspace.calls[1].what, "POST https://workspace" + std::string(kTable) + trace_of(7).hex() +
                                         "/assessments?sql_warehouse_id=w%201");
  EXPECT_THAT(in_table[trace_of(7).hex()], ElementsAre(Pair("a-1", HasSubstr("\"value\":true"))));
  EXPECT_THAT(cursor().dead, IsEmpty());
}

TEST_F(FeedbackByRequestId, AWorkspaceThatSearchesForAWhileIsAskedHowFarItIs) {
  in_table.try_emplace(trace_of(7).hex());
  table_search = answer(200, R"({"name":"op/1","done":false})");
  operation = found_in_table(7);
  start();
  feedback();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(workspace.calls, SizeIs(3));
  EXPECT_EQ(workspace.calls[1].what, "GET https://workspace/api/4.0/mlflow/traces/search/operations/op%2F1");
  EXPECT_THAT(in_table[trace_of(7).hex()], SizeIs(1));
}

TEST_F(FeedbackByRequestId, WhatTheTableHasNotIsLookedForInExperimentStorage) {
  there.try_emplace(mlflow::trace_name_of(trace_of(7)));
  storage_search = found_in_storage(7);
  feedback();
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(at(7)->assessments, ElementsAre(Pair("a-1", HasSubstr("\"value\":true"))));
  EXPECT_THAT(workspace.calls_of(kTable), IsEmpty());
}

TEST_F(FeedbackByRequestId, WaitsWhileASearchIsRefusedOrFails) {
  in_table.try_emplace(trace_of(7).hex());
  table_search = answer(
      200, R"({"name":"op-1","done":true,"error":{"error_code":"INTERNAL_ERROR","message":"it stopped"}})");
  storage_search = refusal(Action::split, 400);
  feedback();
  start();
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.size() == 1; }));
  table_search = refusal(Action::split, 400);
  ASSERT_TRUE(run_until([this] { return workspace.calls_of(kSearchTable).size() == 2; }));
  EXPECT_THAT(cursor().parked_parts, SizeIs(1));
  table_search = found_in_table(7);
  ASSERT_TRUE(run_until([this] { return cursor().parked_parts.empty(); }));
  EXPECT_THAT(in_table[trace_of(7).hex()], SizeIs(1));
  EXPECT_THAT(cursor().dead, IsEmpty());
}

TEST_F(FeedbackByRequestId, ThatFindsNothingInADaySaysWhyTheTableWasNotSearched) {
  table_search =
      answer(200, R"({"done":true,"error":{"error_code":"INTERNAL_ERROR","message":"it stopped"}})");
  feedback();
  spool.log.back().header.received_ns -= 25LL * 3600 * 1'000'000'000;
  start();
  ASSERT_TRUE(run_until_settled());
  ASSERT_THAT(cursor().dead, SizeIs(1));
  EXPECT_THAT(cursor().dead[0].reason, HasSubstr("no trace with the request id r-1"));
  EXPECT_THAT(cursor().dead[0].reason, HasSubstr("it stopped"));
}

TEST_F(FeedbackByRequestId, IsForTheTraceThatWentToTheTableFromHere) {
  append({trace_span(1, 1, 0)});
  start();
  ASSERT_TRUE(run_until_settled());
  list_here(1);
  feedback();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(in_table[trace_of(1).hex()], ElementsAre(Pair("a-1", HasSubstr("\"value\":true"))));
  EXPECT_THAT(workspace.calls_of("search"), IsEmpty());
}

TEST_F(FeedbackByRequestId, IsForTheTraceOfATableThatItsRecordNames) {
  experiments.table.clear();
  append({trace_span(1, 1, 0)}, {{}, {}, "main.genai.app_otel_spans"});
  start();
  ASSERT_TRUE(run_until_settled());
  list_here(1);
  feedback();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(in_table[trace_of(1).hex()], SizeIs(1));
}

TEST_F(FeedbackByRequestId, IsForTheTraceThatWentToExperimentStorageBeforeTheLink) {
  experiments.table.clear();
  write_info(1);
  start();
  ASSERT_TRUE(run_until_settled());
  experiments.table = "main.genai.app_otel_spans";
  list_here(1);
  feedback();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(at(1)->assessments, ElementsAre(Pair("a-1", HasSubstr("\"value\":true"))));
  EXPECT_THAT(workspace.calls_of("search"), IsEmpty());
}

}  // namespace
}  // namespace spanferry::uploader
