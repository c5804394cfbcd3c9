#include "uploader/access_token.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/net/scripted_server.hpp"

namespace spanferry::uploader {
namespace {

using spanferry::testing::Answer;
using spanferry::testing::Received;
using spanferry::testing::run;
using spanferry::testing::run_until;
using spanferry::testing::ScriptedServer;
namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

class AccessTokenTest : public ::testing::Test {
 protected:
  AccessTokenTest() {
    settings.name = "workspace";
    settings.kind = Kind::databricks;
    settings.url = server.url();
    settings.client_id.value = "me";
    settings.client_secret.value = "a-secret";
  }
  void TearDown() override {
    token.stop();
    http.shutdown();
    server.stop();
    io.restart();
    io.run_for(std::chrono::seconds(5));
  }
  std::expected<std::string, CredentialFailure> get() {
    auto got = run(io, token.get());
    EXPECT_TRUE(got.has_value());
    return got.value_or(std::unexpected(CredentialFailure{}));
  }
  [[nodiscard]] std::vector<Received> asked() const {
    std::vector<Received> all;
    for (const Received& request : server.received())
      if (request.method == "POST") all.push_back(request);
    return all;
  }
  // A workspace that describes itself and gives "t1", "t2", ...
  Answer workspace(const Received& request) {
    if (request.target == "/.well-known/databricks-config")
      return {.body = R"({"oidc_endpoint":")" + server.url() + R"(/its/oidc"})"};
    if (request.target == "/its/oidc/.well-known/oauth-authorization-server")
      return {.body = R"({"token_endpoint":")" + server.url() + R"(/its/oidc/v1/token"})"};
    if (request.target == "/its/oidc/v1/token") return token_answer();
    return {.status = 404};
  }
  Answer token_answer() {
    return {.body = R"({"access_token":"t)" + std::to_string(++given) +
                    R"(","token_type":"Bearer","expires_in":)" + expires_in + "}"};
  }

  asio::io_context io;
  ScriptedServer server{io, [this](const Received& request) { return workspace(request); }};
  DestinationSettings settings;
  net::HttpClient http{io, {}, "spanferry/test"};
  nanoseconds now{seconds(1000)};
  AccessToken token{io, settings, http, [this] { return now; }};
  int given = 0;
  std::string expires_in = "3600";
};

TEST_F(AccessTokenTest, IsAskedForWhereTheWorkspaceSaysAsItsClientsDo) {
  EXPECT_EQ(get(), "t1");
  ASSERT_EQ(asked().size(), 1U);
  const Received request = asked().front();
  EXPECT_EQ(request.target, "/its/oidc/v1/token");
  EXPECT_EQ(request.headers.at("authorization"), "Basic bWU6YS1zZWNyZXQ=");
  EXPECT_EQ(request.headers.at("content-type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(request.body, "grant_type=client_credentials&scope=all-apis");
}

TEST_F(AccessTokenTest, IsAskedForAtTheUsualPlaceOfAWorkspaceThatDoesNotDescribeItself) {
  server.set_script([this](const Received& request) {
    return request.target == "/oidc/v1/token" ? token_answer() : Answer{.status = 404};
  });
  EXPECT_EQ(get(), "t1");
}

TEST_F(AccessTokenTest, IsOneRequestForAllWhoWait) {
  int got = 0;
  for (int i = 0; i < 20; ++i)
    asio::co_spawn(io, token.get(), [&](std::exception_ptr, std::expected<std::string, CredentialFailure> t) {
      got += t == "t1" ? 1 : 0;
    });
  EXPECT_TRUE(run_until(io, [&] { return got == 20; }));
  EXPECT_EQ(asked().size(), 1U);
}

TEST_F(AccessTokenTest, IsRenewedAheadOfItsEndWhileTheOldOneServes) {
  EXPECT_EQ(get(), "t1");
  now += seconds(2399);
  EXPECT_EQ(get(), "t1");
  EXPECT_EQ(given, 1);
  now += seconds(2);  // 20 minutes before its end
  EXPECT_EQ(get(), "t1");
  EXPECT_TRUE(run_until(io, [&] { return given == 2 && get() == "t2"; }));
}

TEST_F(AccessTokenTest, OfThreeSecondsIsRenewedAtHalfItsLife) {
  expires_in = "3";
  EXPECT_EQ(get(), "t1");
  now += milliseconds(1499);
  EXPECT_EQ(get(), "t1");
  EXPECT_EQ(given, 1);
  now += milliseconds(2);
  EXPECT_EQ(get(), "t1");
  EXPECT_TRUE(run_until(io, [&] { return given == 2 && get() == "t2"; }));
}

TEST_F(AccessTokenTest, IsNotGivenOutNearItsEnd) {
  EXPECT_EQ(get(), "t1");
  now += seconds(3561);  // less than 40 s before its end
  EXPECT_EQ(get(), "t2");
}

TEST_F(AccessTokenTest, AgesFromWhenItWasAskedForNotFromWhenItCame) {
  expires_in = "3";
  server.set_script([this](const Received& request) {
    if (request.method == "POST") now += seconds(2);  // the answer takes that long
    return workspace(request);
  });
  EXPECT_EQ(get(), "t1");
  EXPECT_EQ(get(), "t2") << "two of its three seconds were over when it came";
}

TEST_F(AccessTokenTest, WithoutALifeWorthTheNameServesOnceAndDoesNotAskInACircle) {
  for (const char* lifetime : {"0", "-5", "1", "\"1\"", "null", "1e300"}) {
    expires_in = lifetime;
    const int before = given;
    now += seconds(100'000);
    EXPECT_EQ(get(), "t" + std::to_string(before + 1)) << lifetime;
    EXPECT_EQ(given, before + 1);
  }
}

TEST_F(AccessTokenTest, IsNeverShownThoughItComesWithARefusal) {
  for (const int status : {401, 404, 503}) {
    server.set_script([status](const Received& request) {
      if (request.method != "POST") return Answer{.status = 404};
      return Answer{.status = status, .body = R"({"access_token":"very-secret","expires_in":3600})"};
    });
    const auto failed = get();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().sentence.find("very-secret"), std::string::npos) << failed.error().sentence;
  }
}

TEST_F(AccessTokenTest, KeepsTheOldOneWhileANewOneCannotBeHad) {
  EXPECT_EQ(get(), "t1");
  now += seconds(3000);
  server.set_script([](const Received&) { return Answer{.status = 503}; });
  const std::size_t before = server.received().size();
  EXPECT_EQ(get(), "t1");
  ASSERT_TRUE(run_until(io, [&] { return server.received().size() > before; }));
  EXPECT_EQ(get(), "t1");
  now += seconds(590);
  const auto failed = get();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, CredentialFailure::Kind::unreachable);
  server.set_script([this](const Received& request) { return workspace(request); });
  EXPECT_EQ(get(), "t2");
}

TEST_F(AccessTokenTest, ThatWasRefusedIsNotGivenOutAgain) {
  EXPECT_EQ(get(), "t1");
  token.refused("another");
  EXPECT_EQ(get(), "t1");
  token.refused("t1");
  EXPECT_EQ(get(), "t2");
}

TEST_F(AccessTokenTest, IsRefusedWithTheServersReasonAndWithoutTheSecret) {
  server.set_script([this](const Received& request) {
    return request.method == "POST"
               ? Answer{.status = 401,
                        .body = R"({"error":"invalid_client","error_description":"a-secret is wrong"})"}
               : workspace(request);
  });
  const auto failed = get();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, CredentialFailure::Kind::refused);
  EXPECT_EQ(failed.error().sentence,
            "`client_id` with `client_secret` of destination workspace is refused by " + server.url() +
                "/its/oidc/v1/token: HTTP 401 invalid_client: *** is wrong");
}

TEST_F(AccessTokenTest, TellsWhatElseCanBeWrong) {
  const auto kind_of = [this](const Answer& answer) {
    server.set_script([this, answer](const Received& request) {
      return request.method == "POST" ? answer : workspace(request);
    });
    const auto failed = get();
    EXPECT_FALSE(failed);
    return failed ? CredentialFailure::Kind::stopped : failed.error().kind;
  };
  using enum CredentialFailure::Kind;
  EXPECT_EQ(kind_of({.status = 400, .body = R"({"error":"invalid_scope"})"}), refused);
  EXPECT_EQ(kind_of({.status = 404, .body = "not here"}), configuration);
  EXPECT_EQ(kind_of({.status = 302, .headers = {{"location", "http://elsewhere/"}}}), configuration);
  EXPECT_EQ(kind_of({.status = 429, .headers = {{"retry-after", "7"}}}), unreachable);
  EXPECT_EQ(kind_of({.status = 500}), unreachable);
  EXPECT_EQ(kind_of({.body = "<html>Welcome to this network</html>"}), unreachable);
  EXPECT_EQ(kind_of({.body = R"({"access_token":"two\r\nX-Lines: 1"})"}), unreachable);
  EXPECT_EQ(kind_of({.close = true}), unreachable);
}

TEST_F(AccessTokenTest, IsNotAskedForOverPlainHttpWhereTheOperatorSaidHttps) {
  EXPECT_TRUE(is_as_safe("https://login.example/token", "https://w.example"));
  EXPECT_FALSE(is_as_safe("http://login.example/token", "https://w.example"));
  EXPECT_TRUE(is_as_safe("http://127.0.0.1:1/token", "http://127.0.0.1:1"));
}

TEST_F(AccessTokenTest, IsAskedForAnewWhenTheSecretInTheFileHasChanged) {
  const auto file =
      std::filesystem::temp_directory_path() / ("spanferry-secret-" + std::to_string(::getpid()));
  std::ofstream(file) << "one\n";
  settings.client_secret = {.value = {}, .file = file.string(), .profile = {}, .key = {}};
  EXPECT_EQ(get(), "t1");
  std::ofstream(file) << "two\n";
  EXPECT_EQ(get(), "t2");
  EXPECT_EQ(asked().back().headers.at("authorization"), "Basic bWU6dHdv");
  std::filesystem::remove(file);
  const auto failed = get();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, CredentialFailure::Kind::refused);
  EXPECT_NE(failed.error().sentence.find(file.string()), std::string::npos);
}

TEST_F(AccessTokenTest, ReadsTheSecretOfAProfileAnew) {
  const auto file =
      std::filesystem::temp_directory_path() / ("spanferry-profile-" + std::to_string(::getpid()));
  std::ofstream(file) << "[a]\nclient_id = me\nclient_secret = one\n";
  settings.client_id = {.value = {}, .file = file.string(), .profile = "a", .key = "client_id"};
  settings.client_secret = {.value = {}, .file = file.string(), .profile = "a", .key = "client_secret"};
  EXPECT_EQ(get(), "t1");
  EXPECT_EQ(asked().back().headers.at("authorization"), "Basic bWU6b25l");
  std::ofstream(file) << "[a]\nclient_id = me\n";
  const auto failed = get();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().sentence, "profile a in " + file.string() + " has no `client_secret` any more");
  std::filesystem::remove(file);
}

TEST_F(AccessTokenTest, EndsEverybodysWaitWhenItIsStopped) {
  server.set_script([](const Received&) { return Answer{.hang = true}; });
  int stopped = 0;
  for (int i = 0; i < 3; ++i)
    asio::co_spawn(io, token.get(), [&](std::exception_ptr, std::expected<std::string, CredentialFailure> t) {
      stopped += !t && t.error().kind == CredentialFailure::Kind::stopped ? 1 : 0;
    });
  ASSERT_TRUE(run_until(io, [&] { return !server.received().empty(); }));
  token.stop();
  http.shutdown();
  EXPECT_TRUE(run_until(io, [&] { return stopped == 3; }));
}

}  // namespace
}  // namespace spanferry::uploader
