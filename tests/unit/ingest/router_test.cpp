#include "ingest/router.hpp"

#include <gtest/gtest.h>

#include "ingest/decode.hpp"
#include "tests/unit/ingest/doors.hpp"

namespace spanferry::ingest {
namespace {

Decoded decoded(std::string_view json) { return scan_and_keep(test::protobuf(json), false).value(); }

TEST(Glob, MatchesRunsAndSingleCharacters) {
  EXPECT_TRUE(glob_matches("chat-*", "chat-eu"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a*b*c", "axxbyybzc"));
  EXPECT_TRUE(glob_matches("?at", "cat"));
  EXPECT_TRUE(glob_matches("same", "same"));
  EXPECT_FALSE(glob_matches("same", "Same"));
  EXPECT_FALSE(glob_matches("chat-?", "chat-"));
  EXPECT_FALSE(glob_matches("a*b", "axc"));
  EXPECT_FALSE(glob_matches("", "a"));
}

TEST(Glob, DoesNotTakeForeverOnManyStars) {
  EXPECT_FALSE(glob_matches("*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}

TEST(Router, HeadersGoBeforeAttributesAndKeepTheRequestWhole) {
  const std::string json = test::request_json(
      test::resource_json(test::attribute_json("mlflow.experiment_id", "7"), test::span_json("a")) + "," +
      test::resource_json(test::attribute_json("mlflow.experiment_id", "8"), test::span_json("b")));
  const Decoded request = decoded(json);
  const auto routed = entries_of(request, {Source::http, 1, "c", {"5", "", ""}}, {});
  ASSERT_EQ(routed.size(), 1U);
  EXPECT_EQ(routed[0].header.route.experiment_id, "5");
  EXPECT_EQ(routed[0].payload, request.payload) << "the very buffer";
  const auto split = entries_of(request, {Source::http, 1, "c", {}}, {});
  ASSERT_EQ(split.size(), 2U);
  EXPECT_EQ(split[0].header.route.experiment_id, "7");
  EXPECT_EQ(split[1].header.route.experiment_id, "8");
}

TEST(Router, IdsGoBeforeNamesAndTheFirstRuleWins) {
  const std::vector<RouteRule> rules{{{{"service.name", "chat"}, {"env", "prod*"}}, {"", "both", ""}},
                                     {{{"service.name", "c*"}}, {"", "one", ""}}};
  const auto route = [&](const std::string& attributes) {
    const Decoded request =
        decoded(test::request_json(test::resource_json(attributes, test::span_json("a"))));
    return entries_of(request, {}, rules).at(0).header.route;
  };
  const auto attribute = [](const char* k, const char* v) { return test::attribute_json(k, v); };
  EXPECT_EQ(route(attribute("service.name", "chat") + "," + attribute("env", "production")).experiment_name,
            "both");
  EXPECT_EQ(route(attribute("service.name", "chat")).experiment_name, "one");
  EXPECT_TRUE(route(attribute("service.name", "other")).is_default());
  EXPECT_EQ(route(attribute("service.name", "chat") + "," + attribute("mlflow.experiment_name", "n"))
                .experiment_name,
            "n");
  const Route both =
      route(attribute("mlflow.experiment_name", "n") + "," + attribute("mlflow.experiment_id", "3"));
  EXPECT_EQ(both.experiment_id, "3");
  EXPECT_EQ(both.experiment_name, "");
  EXPECT_EQ(route(attribute("mlflow.experiment_id", "not digits") + "," + attribute("service.name", "chat"))
                .experiment_name,
            "one");
}

TEST(Router, HeadersThatCannotBeARouteAreRefused) {
  EXPECT_FALSE(route_of({"12a", "", ""}).has_value());
  EXPECT_FALSE(route_of({"", "\xff", ""}).has_value());
  EXPECT_FALSE(route_of({"", std::string(2000, 'x'), ""}).has_value());
  EXPECT_TRUE(route_of({"", "", ""})->is_default());
}

}  // namespace
}  // namespace spanferry::ingest
