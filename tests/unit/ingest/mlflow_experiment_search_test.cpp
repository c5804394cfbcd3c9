// Searching for experiments: what the far side has and what is known here, in pages.
#include <fmt/format.h>

#include "model/json_object.hpp"
#include "model/provisional_id.hpp"
#include "tests/unit/ingest/mlflow_api_fixture.hpp"

namespace spanferry::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kSearch = "/api/2.0/mlflow/experiments/search";
constexpr std::string_view kByName =
    "/api/2.0/mlflow/experiments/get-by-name?experiment_name=%2FShared%2Fchat";
constexpr std::string_view kPartial = "X-Spanferry-Partial";

std::string experiment(std::string_view id, std::string_view name) {
  return fmt::format(R"({{"experiment_id":"{}","name":"{}","lifecycle_stage":"active"}})", id, name);
}

std::string page(std::string_view experiments, std::string_view token = "") {
  return fmt::format(R"({{"experiments":[{}]{}}})", experiments,
                     token.empty() ? "" : fmt::format(R"(,"next_page_token":"{}")", token));
}

struct Found {
  std::vector<std::string> names, ids;
  std::string next;
};

Found found_in(const ingest::Response& answer) {
  EXPECT_EQ(answer.status, 200) << answer.body;
  Found found;
  const auto body = JsonObject::parse(answer.body, "the answer");
  for (const std::string& json : body->list("experiments")) {
    const auto one = JsonObject::parse(json, "an experiment");
    found.names.push_back(one->text("name").value_or(""));
    found.ids.push_back(one->text("experiment_id").value_or(""));
  }
  found.next = body->text("next_page_token").value_or("");
  return found;
}

class MlflowExperimentSearch : public MlflowApi {
 protected:
  // Becomes known while the far side is away.
  void give_a_provisional_id() {
    far.state_ = State::away;
    call("GET", kByName);
    far.state_ = State::ok;
  }
};

TEST_F(MlflowExperimentSearch, TellsWhatTheFarSideHasPageByPage) {
  open_before_a_server();
  far.say(200, page(experiment("1", "one") + "," + experiment("2", "two"), "more"));
  const auto first = call("POST", kSearch, R"({"max_results":2,"view_type":"ALL","order_by":["name"]})");
  EXPECT_THAT(found_in(first).names, ElementsAre("one", "two"));
  EXPECT_EQ(header(first, kPartial), "");
  EXPECT_THAT(far.asked.at(0).body, HasSubstr(R"("view_type":"ALL","order_by":["name"])"));
  far.say(200, page(experiment("3", "three")));
  const auto second =
      call("POST", kSearch, fmt::format(R"({{"max_results":2,"page_token":"{}"}})", found_in(first).next));
  EXPECT_THAT(found_in(second).names, ElementsAre("three"));
  EXPECT_EQ(found_in(second).next, "");
  EXPECT_THAT(far.asked.at(1).body, HasSubstr(R"("page_token":"more")"));
  EXPECT_THAT(api->experiments.all(), IsEmpty()) << "nobody has asked for these";
}

TEST_F(MlflowExperimentSearch, TellsOneWithAnIdOfOursOnceWhetherItIsThereOrNot) {
  open_before_a_server();
  give_a_provisional_id();
  far.say(200, page(experiment("1", "one")));
  auto found = found_in(call("POST", kSearch, "{}"));
  EXPECT_THAT(found.names, ElementsAre("/Shared/chat", "one"));
  EXPECT_TRUE(is_provisional_id(found.ids[0]));
  far.say(200, page(experiment("7", "/Shared/chat") + "," + experiment("1", "one")));
  const auto again = found_in(call("POST", kSearch, "{}"));
  EXPECT_EQ(again.ids, found.ids) << "it keeps the id that clients know";
  EXPECT_EQ(api->experiments.by_name("/Shared/chat")->far_id, "7");
}

TEST_F(MlflowExperimentSearch, TellsThoseHereInTheirPlaceOnWhateverPageThatIs) {
  open_before_a_server();
  give_a_provisional_id();
  far.say(200, page(experiment("1", "/Shared/a") + "," + experiment("2", "/Shared/b"), "x"));
  const auto first = found_in(call("POST", kSearch, R"({"max_results":2,"order_by":["name"]})"));
  EXPECT_THAT(first.names, ElementsAre("/Shared/a", "/Shared/b"));
  far.say(200, page(experiment("3", "/Shared/d")));
  const auto second =
      found_in(call("POST", kSearch,
                    fmt::format(R"({{"max_results":2,"order_by":["name"],"page_token":"{}"}})", first.next)));
  EXPECT_THAT(second.names, ElementsAre("/Shared/chat", "/Shared/d"));
  EXPECT_EQ(second.next, "");
}

TEST_F(MlflowExperimentSearch, TellsOneOnceThoughItComesToBeThereBetweenTwoPages) {
  open_before_a_server();
  give_a_provisional_id();
  far.say(200, page(experiment("1", "one"), "x"));
  const auto first = found_in(call("POST", kSearch, R"({"max_results":1})"));
  EXPECT_THAT(first.names, ElementsAre("/Shared/chat"));
  const auto with_token = [&first] {
    return fmt::format(R"({{"max_results":2,"page_token":"{}"}})", first.next);
  };
  far.say(200, page(experiment("1", "one") + "," + experiment("7", "/Shared/chat")));
  EXPECT_THAT(found_in(call("POST", kSearch, with_token())).names, ElementsAre("one"));
}

TEST_F(MlflowExperimentSearch, AFarSideThatGoesAwayBetweenTwoPagesIsMissedAloud) {
  open_before_a_server();
  give_a_provisional_id();
  far.say(200, page(experiment("1", "/Shared/a"), "x"));
  const auto first = found_in(call("POST", kSearch, R"({"max_results":1,"order_by":["name"]})"));
  EXPECT_THAT(first.names, ElementsAre("/Shared/a"));
  far.state_ = State::away;
  const auto second =
      call("POST", kSearch,
           fmt::format(R"({{"max_results":1,"order_by":["name"],"page_token":"{}"}})", first.next));
  EXPECT_THAT(found_in(second).names, ElementsAre("/Shared/chat"));
  EXPECT_NE(header(second, kPartial), "");
}

TEST_F(MlflowExperimentSearch, AsksForTheFarSidesOwnIdsInPlaceOfOurs) {
  open_before_a_server();
  give_a_provisional_id();
  const std::string ours = api->experiments.by_name("/Shared/chat")->id;
  const auto search = [&](std::string_view filter) {
    return call("POST", kSearch, fmt::format(R"({{"max_results":5,"filter":"{}"}})", filter));
  };
  far.say(200, page(""));
  EXPECT_THAT(found_in(search(fmt::format("experiment_id = '{}'", ours))).ids, ElementsAre(ours));
  EXPECT_THAT(far.asked.back().body, HasSubstr(ours)) << "it has none of its own yet, and nothing has that";
  far.say(200, page(experiment("7", "/Shared/chat")));
  EXPECT_THAT(found_in(search("name LIKE '%'")).ids, ElementsAre(ours));
  far.say(200, page(experiment("7", "/Shared/chat")));
  const auto found =
      found_in(search(fmt::format("name = 'a' AND experiment_id IN ('{}', '2') AND name != 'b'", ours)));
  EXPECT_THAT(found.ids, ElementsAre(ours));
  EXPECT_THAT(far.asked.back().body,
              HasSubstr(R"("filter":"name = 'a' AND experiment_id IN ('7', '2') AND name != 'b'")"));
}

TEST_F(MlflowExperimentSearch, ATagThatIsNotDeliveredYetIsToldAsItIsHere) {
  open_before_a_server();
  far.say(200, R"({"experiment":)" + experiment("7", "/Shared/chat") + "}");
  call("GET", kByName);
  const auto search = [&](std::string_view value) {
    return found_in(call("POST", kSearch, fmt::format(R"({{"filter":"tags.k = '{}'"}})", value))).ids;
  };
  ASSERT_EQ(call("POST", "/api/2.0/mlflow/experiments/set-experiment-tag",
                 R"({"experiment_id":"7","key":"k","value":"new"})")
                .status,
            200);
  far.say(200, page(""));
  EXPECT_THAT(search("new"), ElementsAre("7"));
  far.say(200, page(experiment("7", "/Shared/chat")));
  EXPECT_THAT(search("old"), IsEmpty()) << "it was so there, and is not any more";
  far.settled_ = true;
  far.say(200, page(""));
  EXPECT_THAT(search("new"), IsEmpty()) << "somebody else has changed it there";
}

TEST_F(MlflowExperimentSearch, ATagThatIsDeliveredWhileTheFarSideAnswersIsFound) {
  open_before_a_server();
  far.say(200, R"({"experiment":)" + experiment("7", "/Shared/chat") + "}");
  call("GET", kByName);
  ASSERT_EQ(call("POST", "/api/2.0/mlflow/experiments/set-experiment-tag",
                 R"({"experiment_id":"7","key":"k","value":"new"})")
                .status,
            200);
  far.meanwhile = [this] { far.settled_ = true; };
  const auto search = [&] { return found_in(call("POST", kSearch, R"({"filter":"tags.k = 'new'"})")).ids; };
  far.say(200, page(""));
  EXPECT_THAT(search(), ElementsAre("7")) << "the answer is older than the delivery";
  far.settled_ = false;
  now_ms += 60'000;
  far.say(200, R"({"experiment":)" + experiment("7", "/Shared/chat") + "}");
  call("GET", kByName);  // asked behind, and as old
  far.state_ = State::away;
  EXPECT_THAT(search(), ElementsAre("7"));
}

TEST_F(MlflowExperimentSearch, WhatTheFarSideRefusesIsRefused) {
  open_before_a_server();
  far.say(400, R"({"error_code":"INVALID_PARAMETER_VALUE","message":"not here"})");
  const auto answer = call("POST", kSearch, R"({"filter":"tags.k IS NULL"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("not here"));
}

TEST_F(MlflowExperimentSearch, AloneItFiltersOrdersAndPages) {
  open();
  for (const std::string_view name : {"b", "a", "c"}) {
    ++now_ms;
    call("POST", "/api/2.0/mlflow/experiments/create",
         fmt::format(R"({{"name":"{}","tags":[{{"key":"k","value":"{}!"}}]}})", name, name));
  }
  EXPECT_THAT(found_in(call("POST", kSearch, "{}")).names, ElementsAre("c", "a", "b", "Default"));
  const auto first =
      found_in(call("POST", kSearch, R"({"max_results":2,"order_by":["name"],"filter":"tags.k LIKE '_!'"})"));
  EXPECT_THAT(first.names, ElementsAre("a", "b"));
  const auto second = found_in(call(
      "POST", kSearch,
      fmt::format(R"({{"max_results":2,"order_by":["name"],"filter":"tags.k LIKE '_!'","page_token":"{}"}})",
                  first.next)));
  EXPECT_THAT(second.names, ElementsAre("c"));
  EXPECT_EQ(second.next, "");
  EXPECT_THAT(found_in(call("POST", kSearch, R"({"view_type":"DELETED_ONLY"})")).names, IsEmpty());
}

TEST_F(MlflowExperimentSearch, OfAFarSideThatDoesNotAnswerTellsWhatIsKnownAndSaysSo) {
  open_before_a_server();
  far.say(200, R"({"experiment":)" + experiment("7", "/Shared/chat") + "}");
  call("GET", kByName);
  for (const bool away : {true, false}) {
    if (away) far.state_ = State::away;
    if (!away) {
      far.state_ = State::ok;
      far.say(503, "{}");
    }
    const auto answer = call("POST", kSearch, "{}");
    EXPECT_THAT(found_in(answer).names, ElementsAre("configured", "/Shared/chat"));
    EXPECT_NE(header(answer, kPartial), "") << away;
  }
  EXPECT_THAT(far.asked, SizeIs(2));
}

TEST_F(MlflowExperimentSearch, TellsTheConfiguredOneThoughTheSpoolIsNewAndTheFarSideAway) {
  open_before_a_server();
  for (const State state : {State::unproven, State::away}) {
    far.state_ = state;  // asked, it says nothing
    const auto answer = call("POST", kSearch, "{}");
    EXPECT_THAT(found_in(answer).names, ElementsAre("configured"));
    EXPECT_TRUE(is_provisional_id(found_in(answer).ids[0]));
  }
}

TEST_F(MlflowExperimentSearch, RefusesWhatItCannotRead) {
  open_before_a_server();
  for (const std::string_view body :
       {"{", R"({"max_results":0})", R"({"page_token":"x"})", R"({"filter":"name"})",
        R"({"order_by":"name"})", R"({"filter":5})", R"({"order_by":["tags.k"]})"})
    EXPECT_EQ(call("POST", kSearch, body).status, 400) << body;
  EXPECT_THAT(far.asked, IsEmpty());
}

}  // namespace
}  // namespace spanferry::test
