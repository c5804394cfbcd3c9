#include "uploader/odd_answer.hpp"

#include <gtest/gtest.h>

namespace spanferry::uploader {
namespace {

using enum Surface;

net::HttpResponse answer(std::string body, std::string content_type = {}) {
  net::HttpResponse response;
  response.status = 200;
  response.body = std::move(body);
  if (!content_type.empty()) response.headers.emplace_back("content-type", std::move(content_type));
  return response;
}

constexpr const char* kStartTrace = "http://there/api/3.0/mlflow/traces";
constexpr const char* kSpans = "http://there/v1/traces";

TEST(OddAnswer, IsAPageWhateverWasAsked) {
  for (const Surface surface : {otlp, mlflow_otlp, mlflow_api, databricks_api, storage}) {
    EXPECT_TRUE(why_odd(surface, "POST", kSpans, answer("Log in", "Text/HTML; charset=utf-8")));
    EXPECT_FALSE(why_odd(surface, "POST", kSpans, answer("")));
  }
  EXPECT_TRUE(why_odd(otlp, "POST", kSpans, answer(" \n<!doctype html>")));
  EXPECT_TRUE(why_odd(databricks_api, "GET", "http://there/any", answer("<html>", "application/json")));
}

TEST(OddAnswer, IsAnythingThatAStorageSaysToAnUploadButNotTheNothingItCallsHtml) {
  EXPECT_FALSE(why_odd(storage, "PUT", "http://store/x", answer("", "text/html")));
  EXPECT_TRUE(why_odd(storage, "PUT", "http://store/x", answer("{}", "application/json")));
  EXPECT_FALSE(why_odd(storage, "GET", "http://store/x", answer(R"({"spans":[]})", "text/plain")));
  EXPECT_TRUE(why_odd(storage, "GET", "http://store/x", answer("<html>", "text/plain")));
}

TEST(OddAnswer, LeavesToABackendHowItSaysYes) {
  EXPECT_FALSE(why_odd(otlp, "POST", kSpans, answer("{}", "application/json")));
  EXPECT_FALSE(why_odd(otlp, "POST", kSpans, answer("ok", "text/plain")));
  EXPECT_FALSE(why_odd(mlflow_otlp, "POST", kSpans, answer("", "application/x-protobuf")));
}

TEST(OddAnswer, LacksWhatTheCallAnswers) {
  EXPECT_FALSE(why_odd(mlflow_api, "POST", kStartTrace, answer(R"({"trace":{"trace_info":{}}})")));
  for (const char* body : {"", "{}", "[]", "ok", R"({"trace":)", R"({"login":"/portal"})"})
    EXPECT_TRUE(why_odd(databricks_api, "POST", kStartTrace, answer(body))) << body;
  const auto get = [](const char* path, const char* body) {
    return why_odd(databricks_api, "GET", std::string("https://there/base") + path, answer(body));
  };
  EXPECT_TRUE(get("/api/2.0/mlflow/experiments/get-by-name?experiment_name=x", "{}"));
  EXPECT_FALSE(get("/api/2.0/mlflow/experiments/get-by-name?experiment_name=x", R"({"experiment":{}})"));
  EXPECT_TRUE(get("/api/2.0/mlflow/traces/tr-1/credentials-for-data-upload", R"({"trace":{}})"));
  EXPECT_TRUE(get("/api/3.0/mlflow/traces/tr-1?trace_id=tr-1", "{}"));
  EXPECT_FALSE(get("/api/3.0/mlflow/something-else", "{}"));
  EXPECT_FALSE(
      get("/api/3.0/mlflow/traces/tr-1/assessments/a-1", R"({"assessment":{"assessment_id":"a-1"}})"));
  EXPECT_TRUE(get("/api/3.0/mlflow/traces/tr-1/assessments/a-1", R"({"trace":{}})"));
  EXPECT_FALSE(get("/api/4.0/mlflow/traces/c.s.p/1/info", R"({"trace":{"trace_info":{}}})"));
  EXPECT_FALSE(get("/api/4.0/mlflow/traces/c.s.p/1/assessments/a-1", R"({"assessment_id":"a-1"})"));
  const auto post = [](const char* path, const char* body) {
    return why_odd(databricks_api, "POST", std::string("https://there") + path, answer(body));
  };
  EXPECT_TRUE(post("/api/3.0/mlflow/traces/tr-1/assessments", R"({"login":"/portal"})"));
  EXPECT_FALSE(post("/api/3.0/mlflow/traces/tr-1/assessments", R"({"assessment":{}})"));
  EXPECT_TRUE(post("/api/4.0/mlflow/traces/c.s.p/1/assessments", "{}"));
  EXPECT_FALSE(post("/api/4.0/mlflow/traces/c.s.p/1/assessments", R"({"assessment_id":"a-1"})"));
  EXPECT_TRUE(post("/api/4.0/mlflow/traces/c.s.p/1/info", R"({"login":"/portal"})"));
  EXPECT_FALSE(post("/api/4.0/mlflow/traces/c.s.p/1/info", R"({"trace_id":"1"})"));
}

}  // namespace
}  // namespace spanferry::uploader
