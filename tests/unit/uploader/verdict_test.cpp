#include "uploader/verdict.hpp"

#include <gtest/gtest.h>

namespace spanferry::uploader {
namespace {

using enum Surface;
using R = Ruling;

struct Case {
  int status;
  R otlp, mlflow_otlp, mlflow_api, databricks_api, storage;
};

// What each may mean, written down once more by hand.
const Case kCases[] = {
    {200, R::done, R::done, R::done, R::done, R::done},
    {201, R::done, R::done, R::done, R::done, R::done},
    {302, R::config, R::config, R::config, R::config, R::new_url},
    {400, R::split, R::split, R::split, R::split, R::new_url},
    {401, R::auth, R::auth, R::auth, R::auth, R::new_url},
    {403, R::auth, R::forbidden, R::forbidden, R::forbidden, R::new_url},
    {404, R::config, R::not_found, R::not_found, R::not_found, R::split},
    {405, R::config, R::config, R::split, R::split, R::split},
    {407, R::config, R::config, R::config, R::config, R::config},
    {408, R::retry, R::retry, R::retry, R::retry, R::retry},
    {409, R::split, R::split, R::exists, R::exists, R::retry_few},
    {413, R::halve, R::halve, R::halve, R::halve, R::halve},
    {415, R::config, R::config, R::split, R::split, R::split},
    {422, R::split, R::split, R::split, R::split, R::split},
    {425, R::retry, R::retry, R::retry, R::retry, R::retry},
    {429, R::rate_limited, R::rate_limited, R::rate_limited, R::rate_limited, R::rate_limited},
    {500, R::retry_few, R::retry_few, R::retry_few, R::retry_few, R::retry_few},
    {501, R::config, R::fallback, R::fallback, R::split, R::split},
    {502, R::retry, R::retry, R::retry, R::retry, R::retry},
    {503, R::retry, R::retry, R::retry, R::retry, R::retry},
    {504, R::retry, R::retry, R::retry, R::retry, R::retry},
    {508, R::config, R::config, R::config, R::config, R::retry},
    {520, R::retry, R::retry, R::retry, R::retry, R::retry},
};

TEST(Verdict, MeansWhatTheTableSaysForEachStatusAndSurface) {
  for (const Case& c : kCases) {
    EXPECT_EQ(rule(otlp, c.status, ""), c.otlp) << c.status;
    EXPECT_EQ(rule(mlflow_otlp, c.status, ""), c.mlflow_otlp) << c.status;
    EXPECT_EQ(rule(mlflow_api, c.status, ""), c.mlflow_api) << c.status;
    EXPECT_EQ(rule(databricks_api, c.status, ""), c.databricks_api) << c.status;
    EXPECT_EQ(rule(storage, c.status, ""), c.storage) << c.status;
  }
}

TEST(Verdict, ReadsTheErrorCodeWhereTheStatusAloneIsNotEnough) {
  for (const Surface surface : {mlflow_api, databricks_api}) {
    EXPECT_EQ(rule(surface, 400, "RESOURCE_ALREADY_EXISTS"), R::exists);
    EXPECT_EQ(rule(surface, 400, "INVALID_PARAMETER_VALUE"), R::split);
    EXPECT_EQ(rule(surface, 404, "ENDPOINT_NOT_FOUND"), R::fallback);
    EXPECT_EQ(rule(surface, 404, "RESOURCE_DOES_NOT_EXIST"), R::not_found);
  }
  EXPECT_EQ(rule(mlflow_otlp, 422, "Failed to log OpenTelemetry spans"), R::retry_few);
  EXPECT_EQ(rule(mlflow_otlp, 422, "Cannot convert OpenTelemetry span to MLflow span"), R::split);
  EXPECT_EQ(rule(storage, 400, "EntityTooLarge"), R::halve);
}

TEST(Verdict, LeavesNoStatusWithoutARuleAndNoRowWithoutAUse) {
  std::vector<bool> used(verdict_table().size());
  for (const Surface surface : {otlp, mlflow_otlp, mlflow_api, databricks_api, storage})
    for (int status = 0; status <= 999; ++status)
      for (const char* code : {"", "RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS", "ENDPOINT_NOT_FOUND",
                               "Failed to log OpenTelemetry spans", "EntityTooLarge"}) {
        bool found = false;
        for (std::size_t i = 0; i < verdict_table().size() && !found; ++i) {
          const VerdictRow& row = verdict_table()[i];
          found = row.surface == surface && status >= row.first && status <= row.last &&
                  (row.error_code.empty() || row.error_code == code);
          if (found) used[i] = true;
        }
        EXPECT_TRUE(found) << status;
      }
  for (std::size_t i = 0; i < used.size(); ++i) EXPECT_TRUE(used[i]) << "row " << i << " is never reached";
}

TEST(Verdict, TakesTheErrorCodeFromTheBody) {
  EXPECT_EQ(error_code_of(R"({"error_code":"RESOURCE_DOES_NOT_EXIST","message":"m"})"),
            "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(error_code_of(R"({"detail":"Failed to log OpenTelemetry spans"})"),
            "Failed to log OpenTelemetry spans");
  EXPECT_EQ(error_code_of(R"({"detail":[{"type":"missing"}]})"), "");
  EXPECT_EQ(error_code_of("<?xml version='1.0'?><Error><Code>EntityTooLarge</Code></Error>"),
            "EntityTooLarge");
  EXPECT_EQ(error_code_of("<html>"), "");
  EXPECT_EQ(error_code_of(""), "");
}

TEST(Verdict, ShowsNoSecretInAnExcerpt) {
  const std::vector<std::string> secrets{"dapi-secret-token"};
  const std::string body = "token dapi-secret-token is bad, dapi-secret-token!" + std::string(3000, 'x');
  const std::string excerpt = excerpt_of(otlp, body, secrets);
  EXPECT_EQ(excerpt.find("dapi"), std::string::npos);
  EXPECT_LE(excerpt.size(), 1024U);
  EXPECT_TRUE(excerpt.starts_with("token *** is bad, ***!"));
}

TEST(Verdict, CutsAnExcerptBetweenCharactersAndRepairsIt) {
  std::string body(1023, 'x');
  body += "\xC3\xA4 and more";
  EXPECT_EQ(excerpt_of(otlp, body, {}), std::string(1023, 'x'));
  EXPECT_EQ(excerpt_of(otlp, "a\xFF", {}), "a\xEF\xBF\xBD");
}

TEST(Verdict, ShowsOfAStorageAnswerItsCodeAndMessageAlone) {
  const std::string body =
      "<Error><Code>SignatureDoesNotMatch</Code><Message>It differs</Message>"
      "<StringToSign>AWS4 20260101 deadbeef</StringToSign></Error>";
  EXPECT_EQ(excerpt_of(storage, body, {}), "SignatureDoesNotMatch: It differs");
}

TEST(Verdict, MakesASentenceOfTheAnswer) {
  EXPECT_EQ(reason_of(422, "", "no\ngood"), "HTTP 422: no good");
  EXPECT_EQ(reason_of(404, "RESOURCE_DOES_NOT_EXIST", ""), "HTTP 404 RESOURCE_DOES_NOT_EXIST");
}

}  // namespace
}  // namespace spanferry::uploader
