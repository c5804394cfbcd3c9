// The credentials of a workspace: a token, a service principal, a profile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/show.hpp"
#include "tests/unit/config/fixture.hpp"

namespace spanferry::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kProfiles = R"([DEFAULT]
host  = https://default.example/
token = planted-default

[prod]
host          = prod.example/?o=123
client_id     = id-of-prod
client_secret = planted-prod

[both]
host          = https://both.example
token         = planted-token
client_id     = id
client_secret = planted-secret

[chosen]
host          = https://chosen.example
token         = planted-token
client_id     = id
client_secret = planted-secret
auth_type     = oauth-m2m

[browser]
host      = https://browser.example
auth_type = databricks-cli

[azure]
host            = https://azure.example
azure_client_id = x

[homeless]
token = planted
)";

TestMachine machine_with(Environment environment, const std::string& file = "") {
  TestMachine machine;
  machine.files["/home/me/.databrickscfg"] = kProfiles;
  machine.environment = std::move(environment);
  machine.environment.emplace("HOME", "/home/me");
  if (!file.empty()) {
    machine.files["f.yaml"] = file;
    machine.file = "f.yaml";
  }
  return machine;
}

uploader::DestinationSettings destination_of(const std::expected<Loaded, std::vector<std::string>>& loaded) {
  EXPECT_TRUE(loaded) << loaded.error().front();
  return loaded ? loaded->settings.uploader.destinations.front() : uploader::DestinationSettings{};
}

std::vector<std::string> errors_of(Environment environment, const std::string& file = "") {
  const auto loaded = machine_with(std::move(environment), file).load();
  return loaded ? std::vector<std::string>{} : loaded.error();
}

TEST(ServicePrincipal, StandsInAFileOrInTheEnvironment) {
  const auto in_file = load_text(
      "destinations: [{name: a, kind: databricks, url: https://h, client_id: me, client_secret_file: /s}]");
  EXPECT_EQ(destination_of(in_file).client_id.value, "me");
  EXPECT_EQ(destination_of(in_file).client_secret.file, "/s");

  const auto loaded = machine_with({{"DATABRICKS_HOST", "h.example"},
                                    {"DATABRICKS_CLIENT_ID", "me"},
                                    {"DATABRICKS_CLIENT_SECRET", "planted"}})
                          .load();
  EXPECT_EQ(destination_of(loaded).client_id.value, "me");
  EXPECT_EQ(destination_of(loaded).client_secret.value, "planted");
  EXPECT_THAT(to_text(*loaded) + to_json(*loaded), Not(HasSubstr("planted")));

  const auto by_file = machine_with({{"DATABRICKS_HOST", "h.example"},
                                     {"DATABRICKS_CLIENT_ID", "me"},
                                     {"DATABRICKS_CLIENT_SECRET_FILE", "/s"}})
                           .load();
  EXPECT_EQ(destination_of(by_file).client_secret.file, "/s");
}

TEST(ServicePrincipal, IsWholeAndAlone) {
  EXPECT_THAT(
      problems_of("destinations:\n"
                  "  - {name: a, kind: databricks, url: https://h, client_id: x}\n"
                  "  - {name: b, kind: databricks, url: https://h, client_secret: planted}\n"
                  "  - name: c\n"
                  "    kind: databricks\n"
                  "    url: https://h\n"
                  "    token: planted\n"
                  "    client_id: x\n"
                  "    client_secret: planted\n"
                  "  - {name: d, kind: mlflow, url: https://h, client_id: x}\n"),
      ElementsAre("f.yaml:2:5: destinations[0]: client_id needs client_secret or client_secret_file",
                  "f.yaml:3:5: destinations[1]: client_secret needs client_id",
                  "f.yaml:4:5: destinations[2]: more than one credential: a token (f.yaml:7) and a client_id "
                  "with its secret (f.yaml:8); set one",
                  HasSubstr("destinations[3].client_id: has no meaning for kind mlflow")));
}

TEST(Profile, GivesHostAndCredentialByTheTrackingUri) {
  const auto loaded =
      machine_with({{"MLFLOW_TRACKING_URI", "databricks://prod"}, {"DATABRICKS_CONFIG_PROFILE", "DEFAULT"}})
          .load();
  const auto d = destination_of(loaded);
  EXPECT_EQ(d.url, "https://prod.example");
  EXPECT_TRUE(d.token.empty());
  // What is read anew at each use, so that a changed profile counts.
  EXPECT_EQ(d.client_secret.file, "/home/me/.databrickscfg");
  EXPECT_EQ(d.client_secret.profile, "prod");
  EXPECT_EQ(d.client_secret.key, "client_secret");
  EXPECT_EQ(d.client_secret.value, "");
  EXPECT_EQ(d.client_id.profile, "prod");
  EXPECT_EQ(shown(*loaded, "destination env.url")->origin, "/home/me/.databrickscfg:6");
  EXPECT_THAT(to_text(*loaded), Not(HasSubstr("planted")));
}

TEST(Profile, IsTheOneOfTheVariableOrTheDefault) {
  EXPECT_EQ(
      destination_of(
          machine_with({{"MLFLOW_TRACKING_URI", "databricks"}, {"DATABRICKS_CONFIG_PROFILE", "prod"}}).load())
          .url,
      "https://prod.example");
  const auto d = destination_of(machine_with({{"MLFLOW_TRACKING_URI", "databricks"}}).load());
  EXPECT_EQ(d.url, "https://default.example");
  EXPECT_EQ(d.token.key, "token");

  auto machine = machine_with({{"MLFLOW_TRACKING_URI", "databricks"}, {"DATABRICKS_CONFIG_FILE", "~/other"}});
  machine.files["/home/me/other"] = "[__settings__]\ndefault_profile = b\n[b]\nhost = b.example\ntoken = t\n";
  EXPECT_EQ(destination_of(machine.load()).url, "https://b.example");
}

TEST(Profile, IsBeatenByTheEnvironmentFieldByField) {
  const auto d = destination_of(machine_with({{"MLFLOW_TRACKING_URI", "databricks://DEFAULT"},
                                              {"DATABRICKS_HOST", "https://other.example"},
                                              {"DATABRICKS_TOKEN_FILE", "/t"}})
                                    .load());
  EXPECT_EQ(d.url, "https://other.example");
  EXPECT_EQ(d.token.file, "/t");
  EXPECT_EQ(d.token.profile, "");
}

TEST(Profile, MustNotLeaveTwoKindsOfCredentialUnlessOneIsChosen) {
  EXPECT_THAT(
      errors_of({{"MLFLOW_TRACKING_URI", "databricks://prod"}, {"DATABRICKS_TOKEN", "planted"}}),
      ElementsAre(AllOf(HasSubstr("more than one credential: a token (environment DATABRICKS_TOKEN) and a "
                                  "client_id with its secret (/home/me/.databrickscfg:7)"),
                        Not(HasSubstr("planted")))));
  EXPECT_THAT(errors_of({{"MLFLOW_TRACKING_URI", "databricks://both"}}),
              ElementsAre(HasSubstr("more than one credential")));
  const auto pat = destination_of(
      machine_with({{"MLFLOW_TRACKING_URI", "databricks://both"}, {"DATABRICKS_AUTH_TYPE", "pat"}}).load());
  EXPECT_EQ(pat.token.profile, "both");
  EXPECT_TRUE(pat.client_id.empty());
  const auto chosen = destination_of(machine_with({{"MLFLOW_TRACKING_URI", "databricks://chosen"}}).load());
  EXPECT_TRUE(chosen.token.empty());
  EXPECT_EQ(chosen.client_id.profile, "chosen");
}

TEST(Profile, ServesADestinationOfTheFileWhichHasPrecedence) {
  const auto d = destination_of(
      machine_with({}, "destinations: [{name: a, kind: databricks, profile: prod, experiment: /e}]").load());
  EXPECT_EQ(d.url, "https://prod.example");
  EXPECT_EQ(d.client_secret.profile, "prod");
  const auto own = destination_of(
      machine_with(
          {}, "destinations: [{name: a, kind: databricks, profile: prod, token_file: /t, url: https://o}]")
          .load());
  EXPECT_EQ(own.url, "https://o");
  EXPECT_EQ(own.token.file, "/t");
  EXPECT_TRUE(own.client_id.empty());
}

TEST(Profile, ThatIsMissingIsToldWithTheNearestOne) {
  EXPECT_THAT(
      errors_of({}, "destinations: [{name: a, kind: databricks, profile: prd}]"),
      ElementsAre(
          "f.yaml:1:53: destinations[0].profile: /home/me/.databrickscfg has no profile prd (nearest: "
          "prod, at line 5)"));
  EXPECT_THAT(errors_of({{"MLFLOW_TRACKING_URI", "databricks"}, {"DATABRICKS_CONFIG_PROFILE", "zzzzzzzz"}}),
              ElementsAre(AllOf(HasSubstr("environment DATABRICKS_CONFIG_PROFILE: "),
                                HasSubstr("has no profile zzzzzzzz; it has DEFAULT, prod, both"))));
  EXPECT_THAT(
      errors_of({{"MLFLOW_TRACKING_URI", "databricks://prod"}, {"DATABRICKS_CONFIG_FILE", "/nowhere"}}),
      ElementsAre(HasSubstr("profile prod: /nowhere cannot be read")));
  EXPECT_THAT(errors_of({{"MLFLOW_TRACKING_URI", "databricks://"}}),
              ElementsAre(HasSubstr("databricks://PROFILE")));
}

TEST(Profile, ThatCannotBeUsedSaysWhy) {
  EXPECT_THAT(errors_of({{"MLFLOW_TRACKING_URI", "databricks://browser"}}),
              ElementsAre(AllOf(HasSubstr("/home/me/.databrickscfg:25: "),
                                HasSubstr("auth_type databricks-cli is not supported: pat"))));
  EXPECT_THAT(
      errors_of({{"MLFLOW_TRACKING_URI", "databricks://azure"}}),
      ElementsAre(HasSubstr("/home/me/.databrickscfg:27: profile azure has no credential that can be used")));
  EXPECT_THAT(errors_of({{"MLFLOW_TRACKING_URI", "databricks://homeless"}}),
              ElementsAre("/home/me/.databrickscfg:31: profile homeless has no `host`"));
  EXPECT_THAT(errors_of({{"MLFLOW_TRACKING_URI", "databricks://prod"}, {"DATABRICKS_AUTH_TYPE", "pat"}}),
              ElementsAre("environment DATABRICKS_AUTH_TYPE: auth_type pat needs a token"));
  auto machine = machine_with({{"MLFLOW_TRACKING_URI", "databricks://prod"}});
  machine.files["/home/me/.databrickscfg"] = "[prod]\nplanted\n";
  EXPECT_THAT(machine.load().error(),
              ElementsAre("/home/me/.databrickscfg:2: neither [PROFILE] nor KEY = VALUE"));
}

}  // namespace
}  // namespace spanferry::config
