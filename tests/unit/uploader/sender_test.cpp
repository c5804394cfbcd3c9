#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/uploader/sender_fixture.hpp"

namespace spanferry::uploader {
namespace {

using spanferry::testing::Answer;
using spanferry::testing::Received;
using spanferry::testing::run;
using spanferry::testing::run_until;
namespace asio = boost::asio;
using std::chrono::milliseconds;

SenderTuning quick() {
  SenderTuning tuning;
  tuning.retry = {milliseconds(1), milliseconds(4)};
  tuning.pause = {milliseconds(1), milliseconds(4)};
  tuning.down_after = milliseconds(0);
  tuning.longest_retry_after = milliseconds(20);
  return tuning;
}

class SenderTest : public SenderFixture {
 protected:
  SenderTest() : SenderFixture(Kind::otlp, Answer{}) {}
  HttpSender& make(const SenderTuning& tuning = quick()) { return make_sender(tuning); }
  std::function<net::HttpRequest()> post(std::string body = "spans") {
    return [url = settings.url, body] {
      net::HttpRequest request;
      request.url = url + "/v1/traces";
      request.body = {std::make_shared<const std::string>(body)};
      return request;
    };
  }
  Verdict send(Surface surface = Surface::otlp) {
    if (!sender) make();
    auto verdict = run(io, sender->send(surface, post()));
    EXPECT_TRUE(verdict.has_value());
    return verdict.value_or(Verdict{});
  }
  // Answers these statuses one after the other, then 200.
  void answer(std::vector<Answer> answers) {
    server.set_script([answers, n = std::size_t{0}](const Received&) mutable {
      return n < answers.size() ? answers[n++] : Answer{};
    });
  }
  DestinationStatus status() {
    DestinationStatus status;
    sender->health().fill(status);
    return status;
  }
};

TEST_F(SenderTest, AddsCredentialUserAgentAndHop) {
  settings.kind = Kind::databricks;
  settings.token.value = "a-token";
  EXPECT_EQ(send().action, Action::done);
  const auto& headers = server.received()[0].headers;
  EXPECT_EQ(headers.at("authorization"), "Bearer a-token");
  EXPECT_EQ(headers.at("x-spanferry-hop"), "this-process");
  EXPECT_EQ(headers.at("user-agent"), "spanferry/" SPANFERRY_VERSION);
}

TEST_F(SenderTest, KeepsTheCredentialFromStorage) {
  settings.token.value = "a-token";
  EXPECT_EQ(send(Surface::storage).action, Action::done);
  EXPECT_FALSE(server.received()[0].headers.contains("authorization"));
  EXPECT_FALSE(server.received()[0].headers.contains("x-spanferry-hop"));
}

TEST_F(SenderTest, SpeaksBasicWithUserNameAndPassword) {
  settings.username = "user";
  settings.password.value = "pass";
  send();
  EXPECT_EQ(server.received()[0].headers.at("authorization"), "Basic dXNlcjpwYXNz");
}

TEST_F(SenderTest, TriesAgainUntilTheAnswerIsFinal) {
  answer({{.close = true}, {.status = 503}, {.status = 502}, {.status = 408}, {.status = 504}});
  EXPECT_EQ(send().action, Action::done);
  EXPECT_EQ(server.received().size(), 6U);
  EXPECT_EQ(status().retries, 5U);
  EXPECT_EQ(status().state, DestinationState::ok);
  for (const Received& request : server.received()) EXPECT_EQ(request.body, "spans");
}

TEST_F(SenderTest, TakesAPageInsteadOfAnAnswerForNoSuccessAndTellsSo) {
  int requests = 0;
  server.set_script([&](const Received&) {
    if (++requests > 3) return Answer{};
    return Answer{.headers = {{"Content-Type", "text/html"}}, .body = "<html>Welcome to the hotel</html>"};
  });
  make();
  std::optional<Verdict> verdict;
  asio::co_spawn(io, sender->send(Surface::otlp, post()),
                 [&](std::exception_ptr, Verdict v) { verdict = std::move(v); });
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::down; }));
  EXPECT_NE(status().reason.find("captive portal"), std::string::npos) << status().reason;
  ASSERT_TRUE(run_until(io, [&] { return verdict.has_value(); }));
  EXPECT_EQ(verdict->action, Action::done);
  EXPECT_EQ(requests, 4);
}

TEST_F(SenderTest, TellsHowItIsWhileItTriesAgain) {
  make();
  answer(std::vector<Answer>(3, {.status = 503, .body = "overloaded"}));
  bool ended = false;
  asio::co_spawn(io, sender->send(Surface::otlp, post()), [&](std::exception_ptr, Verdict) { ended = true; });
  // With down_after = 0 a destination is down from its first failure on.
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::down; }));
  EXPECT_EQ(status().reason, "HTTP 503: overloaded");
  ASSERT_TRUE(run_until(io, [&] { return ended; }));
  EXPECT_EQ(status().state, DestinationState::ok);
  EXPECT_EQ(status().last_error, "HTTP 503: overloaded");
}

TEST_F(SenderTest, IsRetryingBeforeItIsDown) {
  SenderTuning tuning = quick();
  tuning.down_after = std::chrono::hours(1);
  make(tuning);
  server.set_script([](const Received&) { return Answer{.status = 503}; });
  asio::co_spawn(io, sender->send(Surface::otlp, post()), asio::detached);
  EXPECT_TRUE(run_until(io, [&] { return status().state == DestinationState::retrying; }));
}

TEST_F(SenderTest, WaitsAsLongAsItIsAskedTo) {
  SenderTuning tuning = quick();
  tuning.longest_retry_after = milliseconds(300);
  make(tuning);
  answer({{.status = 429, .headers = {{"retry-after", "3600"}}}});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(send().action, Action::done);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, milliseconds(300));  // what it asked for, bounded by what we allow
  EXPECT_LT(took, std::chrono::seconds(5));
}

TEST_F(SenderTest, HoldsCallsOfTheKindThatIsRefusedForTheRateAndGoesOnWithTheOthers) {
  SenderTuning tuning = quick();
  tuning.longest_retry_after = milliseconds(300);
  make(tuning);
  int refusals = 0;
  server.set_script([&](const Received& r) {
    if (r.target != "/api/3.0/mlflow/traces") return Answer{};
    if (++refusals > 1) return Answer{.body = R"({"trace":{"trace_info":{}}})"};
    return Answer{.status = 429, .headers = {{"retry-after", "3600"}}, .body = "too fast"};
  });
  const auto start_trace = [this] {
    net::HttpRequest request;
    request.url = settings.url + "/api/3.0/mlflow/traces";
    return request;
  };
  const auto began = std::chrono::steady_clock::now();
  std::optional<Verdict> started;
  asio::co_spawn(io, sender->send(Surface::databricks_api, start_trace),
                 [&](const std::exception_ptr&, Verdict v) { started = std::move(v); });
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::rate_limited; }));
  EXPECT_EQ(status().reason, "HTTP 429: too fast");
  EXPECT_EQ(send(Surface::databricks_api).action, Action::done);
  EXPECT_FALSE(started.has_value());
  EXPECT_EQ(status().state, DestinationState::rate_limited);
  EXPECT_EQ(run(io, sender->open()), true);
  ASSERT_TRUE(run_until(io, [&] { return started.has_value(); }));
  EXPECT_EQ(started->action, Action::done);
  EXPECT_GE(started->sent, began + milliseconds(300));  // when its last try went
  EXPECT_EQ(status().state, DestinationState::ok);
  EXPECT_EQ(status().rate_refusals, 1U);
}

TEST_F(SenderTest, OpensTheGateWhenTheProbeIsRefusedForTheRate) {
  answer({{.status = 503}, {.status = 429, .headers = {{"retry-after", "0"}}}});
  EXPECT_EQ(send().action, Action::done);
  EXPECT_EQ(status().retries, 2U);
  EXPECT_EQ(status().state, DestinationState::ok);
}

TEST_F(SenderTest, HalvesWhatMayBeUnderWayOnceForABurstThatIsRefused) {
  make();
  EXPECT_EQ(status().concurrency, 8U);
  int requests = 0, done = 0;
  server.set_script([&](const Received&) { return Answer{.status = ++requests <= 8 ? 503 : 200}; });
  for (int i = 0; i < 8; ++i)
    asio::co_spawn(io, sender->send(Surface::otlp, post()),
                   [&](const std::exception_ptr&, const Verdict&) { ++done; });
  ASSERT_TRUE(run_until(io, [&] { return requests >= 8; }));
  ASSERT_TRUE(run_until(io, [&] { return status().concurrency != 8; }));
  EXPECT_EQ(status().concurrency, 4U);
  ASSERT_TRUE(run_until(io, [&] { return done == 8; }));
  EXPECT_GE(status().concurrency, 4U);
}

TEST_F(SenderTest, GivesUpOnA500AfterThreeTriesAndSaysThatNothingProvesIt) {
  server.set_script([](const Received&) { return Answer{.status = 500, .body = "int too large"}; });
  const Verdict verdict = send();
  EXPECT_EQ(verdict.action, Action::split);
  EXPECT_EQ(verdict.status, 500);
  EXPECT_EQ(verdict.excerpt, "int too large");
  EXPECT_TRUE(verdict.unproven);
  EXPECT_EQ(server.received().size(), 3U);
}

TEST_F(SenderTest, IsPatientWithA500WhereTheRequestCannotBeSplit) {
  answer(std::vector<Answer>(10, {.status = 500}));
  EXPECT_EQ(send(Surface::databricks_api).action, Action::done);
  server.set_script([](const Received&) { return Answer{.status = 500}; });
  const std::size_t before = server.received().size();
  EXPECT_EQ(send(Surface::databricks_api).action, Action::split);
  EXPECT_EQ(server.received().size() - before, 20U);
}

TEST_F(SenderTest, OpensTheGateWhenTheProbeIsAnsweredBy500) {
  answer({{.status = 503}, {.status = 500}, {.status = 500}, {.status = 500}});
  EXPECT_EQ(send().action, Action::split);
  EXPECT_EQ(run(io, sender->open()), true);
}

TEST_F(SenderTest, TakesA500ForProvenWhenOthersWereAcceptedMeanwhile) {
  make();
  server.set_script([](const Received& r) { return Answer{.status = r.body == "bad" ? 500 : 200}; });
  std::optional<Verdict> bad;
  asio::co_spawn(io, sender->send(Surface::otlp, post("bad")),
                 [&](std::exception_ptr, Verdict v) { bad = std::move(v); });
  ASSERT_TRUE(run_until(io, [&] { return !server.received().empty(); }));
  EXPECT_EQ(send().action, Action::done);
  ASSERT_TRUE(run_until(io, [&] { return bad.has_value(); }));
  EXPECT_EQ(bad->action, Action::split);
  EXPECT_FALSE(bad->unproven);
}

TEST_F(SenderTest, PausesOnARefusedCredentialNamesItAndGoesOnWithTheNextOneInTheFile) {
  const auto file =
      std::filesystem::temp_directory_path() / ("spanferry-token-" + std::to_string(::getpid()));
  std::ofstream(file) << "old-secret-token\n";
  settings.token.file = file.string();
  server.set_script([](const Received& r) {
    return Answer{.status = r.headers.at("authorization") == "Bearer new-secret-token" ? 200 : 401,
                  .body = "no: " + r.headers.at("authorization")};
  });
  make();
  std::optional<Verdict> verdict;
  asio::co_spawn(io, sender->send(Surface::otlp, post()),
                 [&](std::exception_ptr, Verdict v) { verdict = std::move(v); });
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::paused_auth; }));
  EXPECT_NE(status().reason.find("the credential in " + file.string()), std::string::npos) << status().reason;
  EXPECT_EQ(status().reason.find("old-secret"), std::string::npos) << status().reason;
  std::filesystem::remove(file);
  ASSERT_TRUE(run_until(io, [&] { return status().reason.find("is not there") != std::string::npos; }));
  EXPECT_FALSE(verdict.has_value());
  std::ofstream(file) << "new-secret-token";
  ASSERT_TRUE(run_until(io, [&] { return verdict.has_value(); }));
  EXPECT_EQ(verdict->action, Action::done);
  EXPECT_EQ(status().state, DestinationState::ok);
  std::filesystem::remove(file);
}

TEST_F(SenderTest, SendsTheHeadersOfAFileAsTheyAreNow) {
  const auto file =
      std::filesystem::temp_directory_path() / ("spanferry-headers-" + std::to_string(getpid()));
  settings.headers_file = file.string();
  std::ofstream(file) << "api-key=first%20key\nx-tenant=t\n";
  auto credential = credential_of(settings);
  ASSERT_TRUE(credential) << credential.error().sentence;
  EXPECT_EQ(credential->headers.at(0).second, "first key");
  EXPECT_EQ(credential->headers.at(1).first, "x-tenant");
  EXPECT_EQ(credential->secrets.at(0), "first key");
  EXPECT_EQ(credential_name(settings), "the headers in " + file.string());
  std::ofstream(file) << "no-header-at-all";
  credential = credential_of(settings);
  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().kind, ErrorKind::unauthorized);
  EXPECT_EQ(credential.error().sentence.find("no-header"), std::string::npos);
  std::filesystem::remove(file);
}

TEST_F(SenderTest, HasARefusedAccessTokenReplacedOnceBeforeItPauses) {
  settings.kind = Kind::databricks;
  settings.client_id.value = "me";
  settings.client_secret.value = "a-secret";
  int given = 0;
  std::string good = "Bearer token-2";
  server.set_script([&](const Received& r) {
    if (r.target == "/oidc/v1/token")
      return Answer{.body =
                        R"({"access_token":"token-)" + std::to_string(++given) + R"(","expires_in":3600})"};
    if (r.target != "/v1/traces") return Answer{.status = 404};
    return Answer{.status = r.headers.at("authorization") == good ? 200 : 401};
  });
  EXPECT_EQ(send(Surface::databricks_api).action, Action::done);
  EXPECT_EQ(given, 2);
  EXPECT_EQ(status().last_error, "");
  good = "Bearer token-7";
  std::optional<Verdict> verdict;
  asio::co_spawn(io, sender->send(Surface::databricks_api, post()),
                 [&](std::exception_ptr, Verdict v) { verdict = std::move(v); });
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::paused_auth; }));
  EXPECT_NE(status().reason.find("the access token of `client_id` with `client_secret` of destination there"),
            std::string::npos)
      << status().reason;
  ASSERT_TRUE(run_until(io, [&] { return verdict.has_value(); }));
  EXPECT_EQ(verdict->action, Action::done);
  EXPECT_EQ(status().state, DestinationState::ok);
}

TEST_F(SenderTest, NeedsNoAccessTokenForStorage) {
  settings.kind = Kind::databricks;
  settings.client_id.value = "me";
  settings.client_secret.file = "/nonexistent/secret";
  EXPECT_EQ(send(Surface::storage).action, Action::done);
  EXPECT_EQ(server.received().size(), 1U);
}

class ForbiddenTest : public SenderTest {
 protected:
  ForbiddenTest() {
    settings.kind = Kind::databricks;
    settings.token.value = "a-token";
    server.set_script([this](const Received& r) {
      if (r.target != "/api/2.0/mlflow/experiments/search") return Answer{.status = 403, .body = "not yours"};
      EXPECT_EQ(r.headers.at("authorization"), "Bearer a-token");
      return Answer{.status = search_status};
    });
  }
  int search_status = 200;
};

TEST_F(ForbiddenTest, IsAVerdictWhereAnotherCallShowsTheCredentialToBeGood) {
  make();
  const auto verdict = run(io, sender->send(Surface::databricks_api, post(), Scope::experiment));
  ASSERT_TRUE(verdict.has_value());
  EXPECT_EQ(verdict->action, Action::forbidden);
  EXPECT_EQ(verdict->status, 403);
  EXPECT_EQ(verdict->reason, "HTTP 403: not yours");
  EXPECT_EQ(status().state, DestinationState::ok);
  EXPECT_EQ(server.received().size(), 2U);
}

TEST_F(ForbiddenTest, IsTheCredentialsFaultWhereTheOtherCallIsRefusedToo) {
  make();
  search_status = 403;
  std::optional<Verdict> verdict;
  asio::co_spawn(io, sender->send(Surface::databricks_api, post(), Scope::experiment),
                 [&](std::exception_ptr, Verdict v) { verdict = std::move(v); });
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::paused_auth; }));
  search_status = 503;
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::down; }));
  EXPECT_NE(status().reason.find("could not be learnt"), std::string::npos) << status().reason;
  EXPECT_FALSE(verdict.has_value());
  search_status = 200;
  ASSERT_TRUE(run_until(io, [&] { return verdict.has_value(); }));
  EXPECT_EQ(verdict->action, Action::forbidden);
}

TEST_F(ForbiddenTest, PausesForWhoeverCannotHoldAnExperimentAlone) {
  make();
  asio::co_spawn(io, sender->send(Surface::databricks_api, post()), asio::detached);
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::paused_auth; }));
  for (const Received& r : server.received()) EXPECT_EQ(r.target, "/v1/traces");
}

TEST_F(SenderTest, NamesTheVariableOfACredentialFromTheEnvironment) {
  settings.name = "env";
  settings.kind = Kind::databricks;
  settings.token.value = "dapi-secret";
  EXPECT_EQ(credential_name(settings), "DATABRICKS_TOKEN");
  settings.name = "prod";
  EXPECT_EQ(credential_name(settings), "`token` of destination prod");
}

TEST_F(SenderTest, PausesOnAConfigurationErrorWithItsRemedy) {
  make();
  answer({{.status = 404}, {.status = 302}});
  std::optional<Verdict> verdict;
  asio::co_spawn(io, sender->send(Surface::otlp, post()),
                 [&](std::exception_ptr, Verdict v) { verdict = std::move(v); });
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::paused_config; }));
  EXPECT_NE(status().reason.find("check host and path of `url`"), std::string::npos) << status().reason;
  ASSERT_TRUE(run_until(io, [&] { return verdict.has_value(); }));
  EXPECT_EQ(verdict->action, Action::done);
  EXPECT_EQ(status().state, DestinationState::ok);
}

TEST_F(SenderTest, LetsOneProbeThroughWhileTheOthersWait) {
  make();
  int most_at_once = 0, at_once = 0, answered = 0;
  bool works = false;
  server.set_script([&](const Received&) { return Answer{.status = works ? 200 : 503}; });
  const auto one = [&]() -> asio::awaitable<void> {
    co_await sender->send(Surface::otlp, [&] {
      most_at_once = std::max(most_at_once, ++at_once);
      return post()();
    });
    ++answered;
  };
  asio::co_spawn(io, one(), asio::detached);
  ASSERT_TRUE(run_until(io, [&] { return status().state != DestinationState::ok; }));
  at_once = 0;
  const std::size_t before = server.received().size();
  for (int i = 0; i < 9; ++i) asio::co_spawn(io, one(), asio::detached);
  ASSERT_TRUE(run_until(io, [&] { return server.received().size() >= before + 10; }));
  // Ten tries against a closed gate came one after the other.
  EXPECT_EQ(server.most_open(), 1);
  works = true;
  ASSERT_TRUE(run_until(io, [&] { return answered == 10; }));
}

TEST_F(SenderTest, CountsOneOutageOnceHoweverManyFailInIt) {
  SenderTuning tuning = quick();
  tuning.retry = {milliseconds(2), std::chrono::hours(1)};  // would explode if each of eight counted
  make(tuning);
  int refused = 0, done = 0;
  server.set_script([&](const Received&) { return Answer{.status = ++refused <= 8 ? 503 : 200}; });
  for (int i = 0; i < 8; ++i)
    asio::co_spawn(io, sender->send(Surface::otlp, post()),
                   [&](std::exception_ptr, Verdict v) { done += v.action == Action::done ? 1 : 0; });
  EXPECT_TRUE(run_until(io, [&] { return done == 8; }));
}

TEST_F(SenderTest, OpenWaitsWhileItIsPausedByACaller) {
  make();
  bool solved = false, opened = false, resumed = false;
  asio::co_spawn(io,
                 sender->pause_config("no experiment is configured",
                                      [&]() -> asio::awaitable<bool> { co_return solved; }),
                 [&](std::exception_ptr, bool ok) { resumed = ok; });
  ASSERT_TRUE(run_until(io, [&] { return status().state == DestinationState::paused_config; }));
  EXPECT_EQ(status().reason, "no experiment is configured");
  asio::co_spawn(io, sender->open(), [&](std::exception_ptr, bool ok) { opened = ok; });
  // A probe's own requests pass, and their success does not end the pause.
  EXPECT_EQ(send().action, Action::done);
  EXPECT_EQ(status().state, DestinationState::paused_config);
  EXPECT_FALSE(opened);
  solved = true;
  ASSERT_TRUE(run_until(io, [&] { return opened && resumed; }));
  EXPECT_EQ(status().state, DestinationState::ok);
}

TEST_F(SenderTest, StopsEverybodyWhoWaits) {
  make();
  server.set_script(
      [](const Received& r) { return r.body == "hang" ? Answer{.hang = true} : Answer{.status = 503}; });
  int stopped = 0;
  for (const char* body : {"hang", "retry", "retry"})
    asio::co_spawn(io, sender->send(Surface::otlp, post(body)),
                   [&](std::exception_ptr, Verdict v) { stopped += v.action == Action::stopped ? 1 : 0; });
  asio::co_spawn(io, sender->pause_config("paused", []() -> asio::awaitable<bool> { co_return false; }),
                 [&](std::exception_ptr, bool ok) { stopped += ok ? 0 : 1; });
  asio::co_spawn(io, sender->open(), [&](std::exception_ptr, bool ok) { stopped += ok ? 0 : 1; });
  ASSERT_TRUE(run_until(io, [&] { return server.received().size() >= 2; }));
  sender->stop();
  EXPECT_TRUE(run_until(io, [&] { return stopped == 5; }));
}

}  // namespace
}  // namespace spanferry::uploader
